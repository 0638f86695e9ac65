// Call: one kernel call being prepared. Every array goes through it, is checked once (dtype, shape,
// overlap), is kept by a recording plan, and only then does the kernel run, without the GIL.
// Messages name the kernel, what was expected and what came; they are built when they are needed.
//
// A kernel that computes in float32 alone still takes operands of a half type: the call then works
// on float32 copies of them, made before it and rounded back after it (Staged). Kernels that load
// and store half types themselves say so by `takes`.
#pragma once
#include <initializer_list>
#include <memory>
#include <string>

#include "bindings/bindings.h"
#include "core/array.h"
#include "core/submit.h"
#include "cpu/dispatch.h"

namespace pydl {

// The element type of a kernel's pointer. uint8_t stands for bool: no kernel wants uint8 alone.
template <class T>
struct ElementOf;
template <>
struct ElementOf<float> {
  static constexpr DType kType = DType::kF32;
};
template <>
struct ElementOf<int64_t> {
  static constexpr DType kType = DType::kI64;
};
template <>
struct ElementOf<int32_t> {
  static constexpr DType kType = DType::kI32;
};
template <>
struct ElementOf<uint8_t> {
  static constexpr DType kType = DType::kBool;
};

using DTypes = unsigned;  // a set of element types, one bit each
constexpr DTypes bit(DType t) { return 1u << static_cast<int>(t); }
constexpr DTypes kHalves = bit(DType::kF16) | bit(DType::kBF16);
constexpr DTypes kFloats = bit(DType::kF32) | kHalves;
constexpr DTypes kIntegers = bit(DType::kI64) | bit(DType::kI32) | bit(DType::kU8);
constexpr DTypes kNumbers = kIntegers | kFloats | bit(DType::kBool);

inline int64_t item_size(const Array& x) { return kItemSize[static_cast<int>(x.dtype)]; }

// An array or None.
struct Optional {
  const Array* x = nullptr;
  operator const Array*() const { return x; }
};

// NOTE: where the interpreter is being torn down, taking the GIL back unwinds a daemon thread, so
// this destructor may throw.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() noexcept(false) { PyEval_RestoreThread(state_); }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

// `allocate`, and a MemoryError that names the bytes.
std::shared_ptr<Storage> allocate_for(const char* op, int64_t bytes);

class Call {
 public:
  static constexpr int kMaxOperands = 14;

  explicit Call(const char* op) : op_(op) {}

  // The data of an operand that the kernel reads (in), writes (out), or both (in_out).
  template <class T>
  const T* in(const char* name, const Array& x) {
    return static_cast<const T*>(operand<T>(name, x, kRead));
  }
  template <class T>
  T* out(const char* name, const Array& x) {
    return static_cast<T*>(operand<T>(name, x, kWritten));
  }
  template <class T>
  T* in_out(const char* name, const Array& x) {
    return static_cast<T*>(operand<T>(name, x, kRead | kWritten));
  }
  // From here on the kernel wants the elements of these arrays as they are, where all of them are
  // of one half type. Returns that, or float32, in which the others are.
  DType takes(std::initializer_list<const Array*> arrays) {
    const DType type = (*arrays.begin())->dtype;
    if (!is_half(type)) return DType::kF32;
    for (const Array* x : arrays) {
      if (x != nullptr && x->dtype != type) return DType::kF32;
    }
    return taken_ = type;
  }
  template <class T>
  const T* in_or_null(const char* name, const Array* x) {
    return x == nullptr ? nullptr : in<T>(name, *x);
  }
  const void* in_any(const char* name, const Array& x) {
    add(name, x, kRead);
    return x.data;
  }
  void* out_any(const char* name, const Array& x) {
    add(name, x, kWritten);
    return x.data;
  }
  // Of any type, with a half type as float32.
  const void* in_number(const char* name, const Array& x) {
    return is_half(x.dtype) ? in<float>(name, x) : in_any(name, x);
  }
  void* out_number(const char* name, const Array& x, bool read = false) {
    if (!is_half(x.dtype)) return out_any(name, x);
    return read ? in_out<float>(name, x) : out<float>(name, x);
  }
  // Elements [low, high] of x alone.
  void part(const char* name, const Array& x, int64_t low, int64_t high, bool written);

  void need(const char* name, const Array& x, DTypes allowed) const {
    if ((bit(x.dtype) & allowed) == 0) wrong_dtype(name, x, allowed);
  }
  void same_dtype(const char* name, const Array& x, const char* other, const Array& y) const {
    if (x.dtype != y.dtype) different_dtypes(name, x, other, y);
  }
  void same_shape(const char* name, const Array& x, const char* other, const Array& y) const {
    if (x.shape != y.shape) different_shapes(name, x, other, y);
  }
  void rank(const char* name, const Array& x, size_t least, size_t most,
            const char* letters) const {
    if (x.shape.size() < least || x.shape.size() > most) wrong_shape(name, x, letters);
  }
  void shape(const char* name, const Array& x, std::initializer_list<int64_t> want) const {
    if (!std::equal(x.shape.begin(), x.shape.end(), want.begin(), want.end())) {
      wrong_shape(name, x, shape_string(want).c_str());
    }
  }
  // x is dense over (n0, n1, n2): `letters` names them.
  void elements(const char* name, const Array& x, int64_t n0, int64_t n1, int64_t n2,
                const char* letters) const;
  // Every index in [0, n), or `ignored`; on each replay of a recorded call, too.
  void indices(const char* name, const Array& index, int64_t n, const int64_t* ignored) const;

  [[noreturn]] void wrong_shape(const char* name, const Array& x, const char* want) const;
  [[noreturn]] void wrong_value(const std::string& message) const;

  // An output may be one of the inputs: the same elements in the same order.
  void allow_in_place() { in_place_ = true; }

  template <class Args>
  void run(void (*fn)(const Args&), const Args& args) const {
    if (ready()) run_staged(fn, args, nullptr, false);
  }
  // The same with `work` (null where none is wanted), which comes from the current pool: a recorded
  // plan reuses its block. `brief`: over before the GIL would be given away and taken back.
  template <class Args>
  void run(void (*fn)(const Args&), Args& args, int64_t (*work)(const Args&),
           bool brief = false) const {
    if (!ready()) return;
    const int64_t bytes = work(args);
    const auto storage = bytes > 0 ? allocate_for(op_, bytes) : nullptr;
    args.work = bytes > 0 ? storage->data : nullptr;
    run_staged(fn, args, storage, brief);
  }

 private:
  enum Way { kRead = 1, kWritten = 2 };
  struct Operand {
    const char* name;
    const Array* x;
    const char* begin;
    const char* end;
    int way;
    const Array* copy;  // float32, in place of x; or null
  };
  // The float32 copies of half operands, by the number of the operand.
  struct Staged {
    Array copy[kMaxOperands];
  };

  template <class T>
  void* operand(const char* name, const Array& x, int way) {
    constexpr bool kFloat = ElementOf<T>::kType == DType::kF32;
    const bool half = kFloat && is_half(x.dtype);
    if (kFloat && taken_ != DType::kF32) {
      need(name, x, bit(taken_));
    } else if (half) {
      return stage(name, x, way);
    } else {
      need(name, x, bit(ElementOf<T>::kType));
    }
    add(name, x, way);
    return x.data;
  }
  void add(const char* name, const Array& x, int way) {
    const char* begin = static_cast<const char*>(x.data);
    operands_[count_++] = {name, &x, begin, begin + x.bytes(), way, nullptr};
  }
  void* stage(const char* name, const Array& x, int way);
  void convert_staged(Way way) const;

  bool ready() const {  // false where there is nothing to write
    bool any = false;
    for (int i = 0; i < count_; ++i) {
      if ((operands_[i].way & kWritten) == 0) continue;
      any = any || operands_[i].begin != operands_[i].end;
      for (int j = 0; j < count_; ++j) {
        if (operands_[i].begin < operands_[j].end && operands_[j].begin < operands_[i].end &&
            i != j) {
          check_overlap(operands_[i], operands_[j]);
        }
      }
    }
    return any;
  }
  template <class Args>
  void run_staged(void (*fn)(const Args&), const Args& args, const std::shared_ptr<Storage>& work,
                  bool brief) const {
    if (staged_) convert_staged(kRead);
    // NOTE: with the GIL, as other threads of Python may free arrays of the plan's pool.
    if (Plan* plan = recording_plan()) {
      tell(plan);
      if (work) plan->describe_work(work);
    }
    if (brief) {
      submit(fn, args);
    } else {
      WithoutGil unlocked;
      submit(fn, args);
    }
    if (staged_) convert_staged(kWritten);
  }
  void check_overlap(const Operand& out, const Operand& other) const;
  void tell(Plan* plan) const;
  [[noreturn]] void wrong_dtype(const char* name, const Array& x, DTypes allowed) const;
  [[noreturn]] void different_dtypes(const char* name, const Array& x, const char* other,
                                     const Array& y) const;
  [[noreturn]] void different_shapes(const char* name, const Array& x, const char* other,
                                     const Array& y) const;

  const char* op_;
  int count_ = 0;
  bool in_place_ = false;
  DType taken_ = DType::kF32;
  std::unique_ptr<Staged> staged_;
  Operand operands_[kMaxOperands];
};

}  // namespace pydl

namespace pybind11 {
namespace detail {

// pybind11 takes a microsecond to find that None is no Array.
template <>
struct type_caster<pydl::Optional> {
  PYBIND11_TYPE_CASTER(pydl::Optional, const_name("Array | None"));
  bool load(handle src, bool convert) {
    if (src.is_none()) return true;
    make_caster<pydl::Array> caster;
    if (!caster.load(src, convert)) return false;
    value.x = cast_op<pydl::Array*>(caster);
    return true;
  }
};

}  // namespace detail
}  // namespace pybind11
