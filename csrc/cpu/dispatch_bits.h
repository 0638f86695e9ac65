// What kernels of one table may ask of the machine beyond the instructions that they are compiled
// for.
#pragma once

namespace pydl {

bool has_bf16_dot();  // products of pairs of bfloat16 (AVX512-BF16), unless PYDL_ISA forbids them
bool has_amx_bf16();  // tiles of them, likewise

}  // namespace pydl
