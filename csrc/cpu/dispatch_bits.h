// What kernels of one table may ask of the machine beyond the instructions that they are compiled
// for.
#pragma once

namespace pydl {

extern bool bf16_dot;
inline bool has_bf16_dot() { return bf16_dot; }  // AVX512-BF16, unless PYDL_ISA forbids it
bool has_amx_bf16();                             // tiles of them, likewise

}  // namespace pydl
