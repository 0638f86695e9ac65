#include "bindings/checks.h"

#include <stdio.h>

#include <new>
#include <utility>
#include <vector>

#include "bindings/values.h"
#include "core/args/movement.h"

namespace pydl {

namespace {

class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(const char* op, int64_t bytes) {
    snprintf(text_, sizeof text_, "%s: cannot allocate %lld bytes", op,
             static_cast<long long>(bytes));
  }
  const char* what() const noexcept override { return text_; }

 private:
  char text_[120];
};

std::string names_of(DTypes types) {
  std::string text;
  for (int i = 0; i < kDTypeCount; ++i) {
    if ((types & (1u << i)) == 0) continue;
    if (!text.empty()) text += " or ";
    text += kDTypeName[i];
  }
  return text;
}

const char* name_of(const Array& x) { return kDTypeName[static_cast<int>(x.dtype)]; }

}  // namespace

std::shared_ptr<Storage> allocate_for(const char* op, int64_t bytes) {
  try {
    return allocate(static_cast<size_t>(bytes));
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(op, bytes);
  }
}

void Call::part(const char* name, const Array& x, int64_t low, int64_t high, bool written) {
  const char* data = static_cast<const char*>(x.data);
  operands_[count_++] = {name,
                         &x,
                         data + low * item_size(x),
                         data + (high + 1) * item_size(x),
                         written ? kWritten : kRead,
                         nullptr};
}

void Call::elements(const char* name, const Array& x, int64_t n0, int64_t n1, int64_t n2,
                    const char* letters) const {
  int64_t size = n0;
  const bool fits = n0 >= 0 && n1 >= 0 && n2 >= 0 && !__builtin_mul_overflow(size, n1, &size) &&
                    !__builtin_mul_overflow(size, n2, &size);
  if (fits && size == x.size) return;
  throw py::value_error(std::string(op_) + ": " + name + " has " + std::to_string(x.size) +
                        " elements, expected " + letters + " = " + shape_string({n0, n1, n2}));
}

void Call::indices(const char* name, const Array& index, int64_t n, const int64_t* ignored) const {
  check_range(op_, name, index, 0, n, ignored);
}

void Call::check_overlap(const Operand& out, const Operand& other) const {
  const bool same = out.begin == other.begin && out.x->size == other.x->size &&
                    item_size(*out.x) == item_size(*other.x);
  if (in_place_ && same && (other.way & kWritten) == 0) return;
  const char* hint = in_place_ ? "; in place it must be the very same elements" : "";
  throw py::value_error(std::string(op_) + ": " + out.name + " overlaps " + other.name + " (" +
                        describe(*out.x) + " and " + describe(*other.x) + ")" + hint);
}

void* Call::stage(const char* name, const Array& x, int way) {
  if (!staged_) staged_ = std::make_unique<Staged>();
  Array& copy = staged_->copy[count_];
  copy.shape = x.shape;
  copy.size = x.size;
  copy.storage = allocate_for(op_, copy.bytes());
  copy.data = copy.storage->data;
  add(name, x, way);
  operands_[count_ - 1].copy = &copy;
  return copy.data;
}

// Half to float32 before the kernel runs (kRead), float32 to half after it (kWritten).
void Call::convert_staged(Way way) const {
  for (int i = 0; i < count_; ++i) {
    const Operand& x = operands_[i];
    if (x.copy == nullptr || (x.way & way) == 0) continue;
    Call call("cast");
    const Array &from = way == kRead ? *x.x : *x.copy, &to = way == kRead ? *x.copy : *x.x;
    const CastArgs a = {from.dtype, to.dtype, from.size, call.in_any("x", from),
                        call.out_any("out", to)};
    call.run_staged(cpu_table().cast, a, nullptr, false);
  }
}

void Call::tell(Plan* plan) const {
  std::vector<pydl::Operand> operands;
  for (int i = 0; i < count_; ++i) {
    const Operand& x = operands_[i];
    const bool written = (x.way & kWritten) != 0;
    operands.push_back(plan->operand(x.name, x.copy == nullptr ? *x.x : *x.copy, written));
    if (x.copy != nullptr) continue;
    operands.back().data = x.begin;  // of a `part`
    operands.back().bytes = x.end - x.begin;
  }
  plan->describe(op_, std::move(operands), in_place_);
}

void Call::wrong_dtype(const char* name, const Array& x, DTypes allowed) const {
  throw py::type_error(std::string(op_) + ": " + name + " is " + describe(x) + ", expected " +
                       names_of(allowed));
}

void Call::different_dtypes(const char* name, const Array& x, const char* other,
                            const Array& y) const {
  throw py::type_error(std::string(op_) + ": " + name + " is " + name_of(x) + ", expected " +
                       name_of(y) + " as " + other);
}

void Call::different_shapes(const char* name, const Array& x, const char* other,
                            const Array& y) const {
  throw py::value_error(std::string(op_) + ": " + name + " has shape " + shape_string(x.shape) +
                        ", expected " + shape_string(y.shape) + " as " + other);
}

void Call::wrong_shape(const char* name, const Array& x, const char* want) const {
  throw py::value_error(std::string(op_) + ": " + name + " has shape " + shape_string(x.shape) +
                        ", expected " + want);
}

void Call::wrong_value(const std::string& message) const {
  throw py::value_error(std::string(op_) + ": " + message);
}

}  // namespace pydl
