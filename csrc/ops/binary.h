// Every elementwise function of two arguments: `lanes` for float32 (V = Vec, or float in CUDA; a
// comparison gives a mask), `whole` for an integer type T, whichever its domain has. To add one: a
// struct here, its name in ops/binary_list.h, and the steps of ops/unary.h.
//
// Integers wrap around. x / 0 = 0, and so are the remainders (the bindings refuse it). A negative
// power is 0, but for bases 1, -1. bool is computed as 0/1 integers and the result is (r != 0): add
// is or, mul and, sub xor.
#pragma once
#include "ops/binary_list.h"
#include "ops/trigonometry.h"

namespace pydl {
namespace PYDL_ISA {

#define PYDL_LANES(a, b) \
  template <class V>     \
  static inline auto lanes(V a, V b)
#define PYDL_WHOLE(a, b) \
  template <class T>     \
  static inline T whole(T a, T b)

// Unsigned arithmetic: overflow is defined, and the low bits are those of T.
struct Add {
  PYDL_LANES(a, b) { return a + b; }
  PYDL_WHOLE(a, b) { return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
};

struct Sub {
  PYDL_LANES(a, b) { return a - b; }
  PYDL_WHOLE(a, b) { return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)); }
};

struct Mul {
  PYDL_LANES(a, b) { return a * b; }
  PYDL_WHOLE(a, b) { return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); }
};

struct Div {
  PYDL_LANES(a, b) { return a / b; }
  PYDL_WHOLE(a, b) {
    if (b == 0) return 0;
    if (b == static_cast<T>(-1)) {  // INT_MIN / -1 traps; for unsigned T this is the maximum
      return static_cast<T>(-1) < 0 ? Sub::whole<T>(0, a) : static_cast<T>(a == b);
    }
    return static_cast<T>(a / b);
  }
};

struct Pow {
  PYDL_LANES(a, b) { return pow(a, b); }
  PYDL_WHOLE(a, b) {
    const bool odd = (b & 1) != 0;
    if (a == 1 || b == 0) return 1;
    if (b < 0) return a == static_cast<T>(-1) ? static_cast<T>(odd ? -1 : 1) : static_cast<T>(0);
    uint64_t r = 1, base = static_cast<uint64_t>(a);
    for (uint64_t e = static_cast<uint64_t>(b); e != 0; e >>= 1, base *= base) {
      if (e & 1) r *= base;
    }
    return static_cast<T>(r);
  }
};

// The remainder with the sign of a.
struct Fmod {
  PYDL_LANES(a, b) { return fmod(a, b); }
  PYDL_WHOLE(a, b) {
    if (b == 0 || b == static_cast<T>(-1)) return b == 0 || static_cast<T>(-1) < 0 ? 0 : a % b;
    return static_cast<T>(a % b);
  }
};

// The remainder with the sign of b.
struct Remainder {
  PYDL_LANES(a, b) {
    const V r = fmod(a, b), zero = set1(0.0f);
    const auto moved = ((r < zero) & (b > zero)) | ((r > zero) & (b < zero));
    return select(moved, r + b, r);
  }
  PYDL_WHOLE(a, b) {
    const T r = Fmod::whole<T>(a, b);
    return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
  }
};

// The largest whole number that is at most a / b. Floats: (a - remainder) / b is nearly whole.
struct FloorDivide {
  PYDL_LANES(a, b) {
    const V zero = set1(0.0f), one = set1(1.0f), r = fmod(a, b);
    const auto moved = ((r < zero) & (b > zero)) | ((r > zero) & (b < zero));
    V q = (a - r) / b;
    q = select(moved, q - one, q);
    const V whole = floor(q);
    const V near = select(q - whole > set1(0.5f), whole + one, whole);
    return select(b == zero, a / b, select(q == zero, copysign(zero, a / b), near));
  }
  PYDL_WHOLE(a, b) {
    const T q = Div::whole<T>(a, b), r = Fmod::whole<T>(a, b);
    return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(q - 1) : q;
  }
};

struct Atan2 {
  PYDL_LANES(a, b) { return atan2(a, b); }
};

struct BitwiseAnd {
  PYDL_WHOLE(a, b) { return static_cast<T>(a & b); }
};

struct BitwiseOr {
  PYDL_WHOLE(a, b) { return static_cast<T>(a | b); }
};

struct BitwiseXor {
  PYDL_WHOLE(a, b) { return static_cast<T>(a ^ b); }
};

// By a negative number, or by all bits and more: 0.
struct LeftShift {
  PYDL_WHOLE(a, b) {
    if (b < 0 || static_cast<uint64_t>(b) >= 8 * sizeof(T)) return 0;
    return static_cast<T>(static_cast<uint64_t>(a) << b);
  }
};

// By a negative number, or by all bits and more: the sign alone is left.
struct RightShift {
  PYDL_WHOLE(a, b) {
    const bool far = b < 0 || static_cast<uint64_t>(b) >= 8 * sizeof(T);
    return far ? static_cast<T>(a < 0 ? -1 : 0) : static_cast<T>(a >> b);
  }
};

// NaN wins on either side (max and min alone give the second operand).
struct Maximum {
  PYDL_LANES(a, b) { return select(is_nan(a), a, max(a, b)); }
  PYDL_WHOLE(a, b) { return a > b ? a : b; }
};

struct Minimum {
  PYDL_LANES(a, b) { return select(is_nan(a), a, min(a, b)); }
  PYDL_WHOLE(a, b) { return a < b ? a : b; }
};

struct Eq {
  PYDL_LANES(a, b) { return a == b; }
  PYDL_WHOLE(a, b) { return a == b; }
};

struct Ne {
  PYDL_LANES(a, b) { return !(a == b); }
  PYDL_WHOLE(a, b) { return a != b; }
};

struct Lt {
  PYDL_LANES(a, b) { return a < b; }
  PYDL_WHOLE(a, b) { return a < b; }
};

struct Le {
  PYDL_LANES(a, b) { return a <= b; }
  PYDL_WHOLE(a, b) { return a <= b; }
};

struct Gt {
  PYDL_LANES(a, b) { return a > b; }
  PYDL_WHOLE(a, b) { return a > b; }
};

struct Ge {
  PYDL_LANES(a, b) { return a >= b; }
  PYDL_WHOLE(a, b) { return a >= b; }
};

#undef PYDL_LANES
#undef PYDL_WHOLE

}  // namespace PYDL_ISA
}  // namespace pydl
