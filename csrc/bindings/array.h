// How Python values become array parts: shapes, index tuples, single elements.
#pragma once
#include <vector>

#include "bindings/bindings.h"
#include "core/array.h"

namespace pydl {

// Formats of the buffer protocol, in the order of DType; bfloat16 appears as uint16.
constexpr const char* kFormat[kDTypeCount] = {"f", "d", "e", "H", "l", "i", "B", "?"};
static_assert(sizeof(long) == 8, "format l is int64");

// The Array of a Python object that is known to be one.
const Array& array_of(PyObject* x);

// Gives up a reference to a Python object: the `release` of a Storage that such an object owns.
void release_object(void* owner);

// A sequence of at most kMaxDims integers into `out`; returns how many.
int parse_dims(const char* op, const char* name, py::handle sequence, int64_t* out);

// An integer-valued number. Throws ValueError where it is none or does not fit.
int64_t parse_integer(const char* op, const char* name, py::handle value);

}  // namespace pydl
