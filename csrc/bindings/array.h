// How Python values become array parts: shapes, index tuples, single elements.
#pragma once
#include <vector>

#include "bindings/bindings.h"
#include "core/array.h"

namespace pydl {

// The Array of a Python object that is known to be one.
const Array& array_of(PyObject* x);

// A sequence of at most kMaxDims integers into `out`; returns how many.
int parse_dims(const char* op, const char* name, py::handle sequence, int64_t* out);

// An integer-valued number. Throws ValueError where it is none or does not fit.
int64_t parse_integer(const char* op, const char* name, py::handle value);

}  // namespace pydl
