// The Array class and the zero-copy exchange with NumPy, both ways.
#include "bindings/array.h"

#include <math.h>
#include <pybind11/numpy.h>

#include "bindings/checks.h"
#include "core/args/movement.h"

namespace pydl {

namespace {

DType parse_code(int64_t code) {
  if (code < 0 || code >= kDTypeCount) {
    throw py::value_error("empty: dtype code " + std::to_string(code) + ", expected [0, 8)");
  }
  if (static_cast<DType>(code) == DType::kF64) {
    throw py::type_error("empty: float64 exists on the numpy device only");
  }
  return static_cast<DType>(code);
}

std::vector<int64_t> parse_shape(const char* op, py::handle sequence) {
  int64_t dims[kMaxDims];
  const int n = parse_dims(op, "shape", sequence, dims);
  return std::vector<int64_t>(dims, dims + n);
}

Array make_empty(py::handle shape, int64_t code) {
  Array x;
  x.dtype = parse_code(code);
  x.shape = parse_shape("empty", shape);
  x.size = checked_size(x.shape, x.dtype);
  x.storage = allocate_for("empty", x.bytes());
  x.data = x.storage->data;
  return x;
}

DType dtype_of(const py::array& array) {
  const py::dtype type = array.dtype();
  const auto size = type.itemsize();
  switch (type.kind()) {
    case 'f':
      if (size == 4) return DType::kF32;
      if (size == 2) return DType::kF16;
      break;
    case 'i':
      if (size == 8) return DType::kI64;
      if (size == 4) return DType::kI32;
      break;
    case 'u':
      if (size == 1) return DType::kU8;
      if (size == 2) return DType::kBF16;
      break;
    case 'b':
      return DType::kBool;
    default:
      break;
  }
  throw py::type_error("from_numpy: dtype " + std::string(py::str(type)) +
                       ", expected float32, float16, uint16 (for bfloat16), int64, int32, uint8 or "
                       "bool");
}

Array from_numpy(const py::array& array) {
  Array x;
  x.dtype = dtype_of(array);
  const char* wrong = nullptr;
  if (!array.dtype().attr("isnative").cast<bool>()) wrong = "not in native byte order";
  if ((array.flags() & py::array::c_style) == 0) wrong = "not C-contiguous";
  if ((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) wrong = "not aligned";
  if (!array.writeable()) wrong = "read-only";
  if (wrong != nullptr) {
    throw py::value_error(std::string("from_numpy: the array is ") + wrong + "; pass a copy of it");
  }
  x.shape.assign(array.shape(), array.shape() + array.ndim());
  x.size = checked_size(x.shape, x.dtype);
  x.storage = std::make_shared<Storage>();
  x.data = x.storage->data = const_cast<void*>(array.data());
  x.storage->bytes = static_cast<size_t>(x.bytes());
  x.storage->owner = py::object(array).release().ptr();
  x.storage->release = release_object;
  return x;
}

std::vector<py::ssize_t> byte_strides(const Array& x) {
  std::vector<py::ssize_t> strides(x.shape.size());
  py::ssize_t step = item_size(x);
  for (size_t d = strides.size(); d-- > 0;) {
    strides[d] = step;
    step *= x.shape[d] > 0 ? x.shape[d] : 1;
  }
  return strides;
}

py::array to_numpy(const py::object& self) {
  const Array& x = self.cast<const Array&>();
  const py::dtype type(kFormat[static_cast<int>(x.dtype)]);
  return py::array(type, x.shape, byte_strides(x), x.data, self);
}

py::buffer_info buffer_of(const Array& x) {
  return py::buffer_info(x.data, item_size(x), kFormat[static_cast<int>(x.dtype)],
                         static_cast<py::ssize_t>(x.shape.size()), x.shape, byte_strides(x));
}

py::object item(const Array& x) {
  if (x.size != 1)
    throw py::value_error("item: array is " + describe(x) + ", expected one element");
  switch (x.dtype) {
    case DType::kI64:
      return py::int_(*static_cast<const int64_t*>(x.data));
    case DType::kI32:
      return py::int_(*static_cast<const int32_t*>(x.data));
    case DType::kU8:
      return py::int_(*static_cast<const uint8_t*>(x.data));
    case DType::kBool:
      return py::bool_(*static_cast<const uint8_t*>(x.data) != 0);
    default:
      break;
  }
  float value;
  cpu_table().cast({x.dtype, DType::kF32, 1, x.data, &value});
  return py::float_(static_cast<double>(value));
}

PyObject* refuse_new(PyTypeObject*, PyObject*, PyObject*) {
  PyErr_SetString(PyExc_TypeError, "Array: make one with empty() or from_numpy()");
  return nullptr;
}

// What every op asks for several times: getters of C, which cost a third of pybind11's.
PyObject* get_shape(PyObject* self, void*) {
  const Array& x = array_of(self);
  PyObject* shape = PyTuple_New(static_cast<Py_ssize_t>(x.shape.size()));
  for (size_t d = 0; shape != nullptr && d < x.shape.size(); ++d) {
    PyObject* n = PyLong_FromLongLong(x.shape[d]);
    if (n == nullptr) Py_CLEAR(shape);
    if (n != nullptr) PyTuple_SET_ITEM(shape, static_cast<Py_ssize_t>(d), n);
  }
  return shape;
}

PyObject* get_code(PyObject* self, void*) {
  return PyLong_FromLong(static_cast<long>(array_of(self).dtype));
}

PyGetSetDef kGetters[] = {{"shape", get_shape, nullptr, nullptr, nullptr},
                          {"code", get_code, nullptr, nullptr, nullptr}};

}  // namespace

// The last owner may go away on any thread, with or without the GIL.
void release_object(void* owner) {
  if (!Py_IsInitialized()) return;
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(owner));
  PyGILState_Release(state);
}

const Array& array_of(PyObject* x) {
  auto* instance = reinterpret_cast<py::detail::instance*>(x);
  return *static_cast<const Array*>(instance->get_value_and_holder().value_ptr());
}

int parse_dims(const char* op, const char* name, py::handle sequence, int64_t* out) {
  const auto fast = py::reinterpret_steal<py::object>(
      PySequence_Fast(sequence.ptr(), "expected a sequence of integers"));
  if (!fast) throw py::error_already_set();
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
  if (n > kMaxDims) {
    throw py::value_error(std::string(op) + ": " + name + " has " + std::to_string(n) +
                          " dimensions, expected at most 8");
  }
  for (Py_ssize_t d = 0; d < n; ++d) {
    // NOTE: __index__ may run Python code that shortens the list.
    if (d >= PySequence_Fast_GET_SIZE(fast.ptr())) throw py::value_error("sequence changed");
    PyObject* value = PySequence_Fast_GET_ITEM(fast.ptr(), d);
    if (!PyIndex_Check(value)) {
      throw py::type_error(std::string(op) + ": " + name + " holds a " + Py_TYPE(value)->tp_name +
                           ", expected integers");
    }
    out[d] = parse_integer(op, name, py::handle(value));
  }
  return static_cast<int>(n);
}

int64_t parse_integer(const char* op, const char* name, py::handle value) {
  const auto owner = py::reinterpret_borrow<py::object>(value);  // __index__ may drop the list's
  if (PyIndex_Check(value.ptr())) {
    int overflow = 0;
    const int64_t n = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (n == -1 && overflow == 0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (overflow == 0) return n;
  } else {
    const double x = PyFloat_AsDouble(value.ptr());
    if (x == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (floor(x) == x && x >= -0x1p63 && x < 0x1p63) return static_cast<int64_t>(x);
  }
  throw py::value_error(std::string(op) + ": " + name + " is " + std::string(py::repr(value)) +
                        ", expected an int64");
}

void bind_array(py::module_& m) {
  py::class_<Array> type(m, "Array", py::buffer_protocol(), py::is_final(),
                         "A dense, row-major block of elements in native memory.");
  // NOTE: pybind11 hands out uninitialised memory for an object that __new__ alone has made.
  reinterpret_cast<PyTypeObject*>(type.ptr())->tp_new = refuse_new;
  for (PyGetSetDef& getter : kGetters) {
    type.attr(getter.name) = py::reinterpret_steal<py::object>(
        PyDescr_NewGetSet(reinterpret_cast<PyTypeObject*>(type.ptr()), &getter));
  }
  type.def_readonly("size", &Array::size)
      .def_property_readonly("ptr",
                             [](const Array& x) { return reinterpret_cast<uintptr_t>(x.data); })
      .def(
          "view",
          [](const Array& x, py::handle shape, int64_t offset) {
            return view(x, parse_shape("view", shape), offset);
          },
          py::arg("shape"), py::arg("offset") = 0)
      .def("item", item)
      .def("numpy", to_numpy)
      .def_buffer(buffer_of)
      .def("__repr__", [](const Array& x) { return "<Array " + describe(x) + ">"; });
  m.def("empty", make_empty, py::arg("shape"), py::arg("code"));
  m.def("from_numpy", from_numpy, py::arg("array"));
}

}  // namespace pydl
