// Sizes of the fixed arrays in kernel arguments.
#pragma once

namespace pydl {

constexpr int kMaxDims = 8;
constexpr int kMaxTensors = 64;  // tensors per multi-tensor optimizer launch

}  // namespace pydl
