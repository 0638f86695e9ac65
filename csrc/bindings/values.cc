#include "bindings/values.h"

#include <string>

#include "core/submit.h"

namespace pydl {

namespace {

struct RangeCheck {
  const char* op;
  const char* name;
  const int64_t* at;
  int64_t size, low, end, ignored;
  bool ignores;
};

void range(const RangeCheck& c) {
  int64_t bad = 0;
  for (int64_t i = 0; i < c.size; ++i) {  // no early exit, so that it runs in vectors
    bad |= ((c.at[i] < c.low) | (c.at[i] >= c.end)) & !(c.ignores & (c.at[i] == c.ignored));
  }
  if (bad == 0) return;
  for (int64_t i = 0; i < c.size; ++i) {
    const int64_t value = c.at[i];
    if ((value >= c.low && value < c.end) || (c.ignores && value == c.ignored)) continue;
    const std::string op = c.op == nullptr ? "" : std::string(c.op) + ": ";
    throw std::out_of_range(op + c.name + " holds " + std::to_string(value) + ", expected [" +
                            std::to_string(c.low) + ", " + std::to_string(c.end) + ")");
  }
}

struct DivisorCheck {
  const char* op;
  DType dtype;
  const void* at;
  int64_t size;
};

template <class T>
bool holds_zero(const DivisorCheck& c) {
  const T* at = static_cast<const T*>(c.at);
  bool found = false;
  for (int64_t i = 0; i < c.size; ++i) found |= at[i] == 0;
  return found;
}

void divisor(const DivisorCheck& c) {
  const bool found = c.dtype == DType::kI64   ? holds_zero<int64_t>(c)
                     : c.dtype == DType::kI32 ? holds_zero<int32_t>(c)
                                              : holds_zero<uint8_t>(c);
  if (found) throw DivisionByZero(std::string(c.op) + ": b holds 0 (integers)");
}

void tell(const char* what, const char* name, const Array& x) {
  if (Plan* plan = recording_plan()) plan->describe(what, {plan->operand(name, x, false)});
}

}  // namespace

void check_range(const char* op, const char* name, const Array& index, int64_t low, int64_t end,
                 const int64_t* ignored) {
  tell("check_range", name, index);
  submit(range, {op, name, static_cast<const int64_t*>(index.data), index.size, low, end,
                 ignored == nullptr ? 0 : *ignored, ignored != nullptr});
}

void check_divisor(const char* op, const Array& b) {
  tell("check_divisor", "b", b);
  submit(divisor, {op, b.dtype, b.data, b.size});
}

}  // namespace pydl
