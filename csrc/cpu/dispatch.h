// Which instruction set runs: chosen once at import by cpuid and XGETBV, or forced by PYDL_ISA.
#pragma once
#include <string>
#include <vector>

#include "core/kernels.h"

namespace pydl {

// Chooses the best ISA of this machine, or `forced` where it is not empty.
// Throws std::invalid_argument where `forced` is unknown or the machine lacks it.
void choose_isa(const std::string& forced);
const char* isa_name();
std::vector<std::string> available_isas();  // of this machine, slowest first

}  // namespace pydl
