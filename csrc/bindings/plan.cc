// Plan: recording and replay from Python.
#include "core/plan.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "bindings/array.h"
#include "bindings/checks.h"

namespace pydl {

namespace {

// What this thread records into, kept alive: core/plan.h has a plain pointer to it. It is leaked
// where a thread ends while it records, since no Python object may be released there.
thread_local std::shared_ptr<Plan>* recorded = nullptr;

void stop_recording() {
  delete recorded;
  recorded = nullptr;
}

void begin(const std::shared_ptr<Plan>& plan, const Plan* companion) {
  if (recorded != nullptr && recorded->use_count() == 1) {  // forgotten: nobody could end it
    (*recorded)->end();
    stop_recording();
  }
  plan->begin(companion);
  recorded = new std::shared_ptr<Plan>(plan);
}

void end(Plan& plan) {
  plan.end();
  stop_recording();
}

// A Python function as a step of its own. It is called with the GIL, and may raise.
void call_host(const void* step) {
  const py::gil_scoped_acquire locked;
  PyObject* function = *static_cast<PyObject* const*>(step);
  const auto result = py::reinterpret_steal<py::object>(PyObject_CallNoArgs(function));
  if (!result) throw py::error_already_set();
}

void note_host(Plan& plan, const py::function& function, bool after) {
  auto storage = std::make_shared<Storage>();  // owns no memory, but the function
  storage->owner = py::object(function).release().ptr();
  storage->release = release_object;
  plan.keep(storage);
  plan.describe("host", {});
  plan.describe_host(after ? Plan::Host::kAfter : Plan::Host::kBefore);
  PyObject* pointer = function.ptr();
  plan.note(call_host, &pointer, sizeof pointer);
}

void patch(Plan& plan, size_t step, const py::function& function) {
  struct Patch {
    Plan& plan;
    Patch(Plan& p, size_t first) : plan(p) { plan.begin_patch(first); }
    ~Patch() { plan.end_patch(); }
  } patching(plan, step);
  function();
}

// The bytes of a NumPy array with the shape and dtype of a slot, or null where it has others.
const void* bytes_of(const py::array& x, const Array& slot) {
  const py::dtype type = x.dtype();
  const bool fits =
      type.char_() == kFormat[static_cast<int>(slot.dtype)][0] && type.byteorder() != '>' &&
      (x.flags() & py::array::c_style) != 0 &&
      std::equal(slot.shape.begin(), slot.shape.end(), x.shape(), x.shape() + x.ndim());
  return fits ? x.data() : nullptr;
}

// The same of an array, or of a Tensor that is off the tape.
const void* bytes_of(PyObject* x, const Array& slot, const py::type& tensor) {
  static PyObject* const data_name = PyUnicode_InternFromString("data");
  static PyObject* const needs_name = PyUnicode_InternFromString("requires_grad");
  py::object data = py::reinterpret_borrow<py::object>(x);
  if (reinterpret_cast<PyObject*>(Py_TYPE(x)) == tensor.ptr()) {
    if (py::reinterpret_steal<py::object>(PyObject_GetAttr(x, needs_name)).ptr() != Py_False) {
      return nullptr;
    }
    data = py::reinterpret_steal<py::object>(PyObject_GetAttr(x, data_name));
  }
  if (py::isinstance<py::array>(data)) return bytes_of(data.cast<py::array>(), slot);
  if (!py::isinstance<Array>(data)) return nullptr;
  const Array& array = array_of(data.ptr());
  return array.dtype == slot.dtype && array.shape == slot.shape ? array.data : nullptr;
}

// Where the bytes for each slot are; null for an argument that is None, as it is there already.
// False where one does not fit its slot.
bool find_inputs(const Plan& plan, const py::tuple& args, const py::type& tensor,
                 std::vector<const void*>* inputs) {
  const std::vector<Array>& slots = plan.slots();
  if (args.size() != slots.size()) return false;
  inputs->assign(slots.size(), nullptr);
  for (size_t i = 0; i < slots.size(); ++i) {
    PyObject* x = PyTuple_GET_ITEM(args.ptr(), static_cast<Py_ssize_t>(i));
    if (x == Py_None) continue;
    (*inputs)[i] = bytes_of(x, slots[i], tensor);
    if ((*inputs)[i] == nullptr) return false;
  }
  return true;
}

// False where an argument does not fit its slot, or where what Python does cannot be moved.
bool start(Plan& plan, const py::tuple& args, const py::type& tensor, int64_t repeat) {
  if (repeat < 1) {
    throw py::value_error("Plan.start: repeat is " + std::to_string(repeat) + ", expected >= 1");
  }
  std::vector<const void*> inputs;
  if (!plan.can_start() || !find_inputs(plan, args, tensor, &inputs)) return false;
  plan.start(inputs, repeat);
  return true;
}

// None where an argument does not fit its slot.
py::object call(Plan& plan, const py::tuple& args, const py::type& tensor) {
  std::vector<const void*> inputs;
  if (!find_inputs(plan, args, tensor, &inputs)) return py::none();
  std::vector<Array> results;
  {
    WithoutGil unlocked;
    results = plan.call(inputs);
  }
  return py::cast(std::move(results));
}

// `passing` and one more list are all that holds an array which nobody will look at.
constexpr Py_ssize_t kOnlyLists = 2;

void finish(Plan& plan, const std::vector<const Array*>& slots, const std::vector<Array*>& results,
            const std::vector<Array*>& others, const py::list& passing,
            const std::vector<std::string>& passes) {
  std::vector<Array> to;
  for (const Array* x : slots) to.push_back(*x);
  std::vector<Array*> left = results, unseen;
  left.insert(left.end(), others.begin(), others.end());
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(passing.ptr()); ++i) {
    PyObject* x = PyList_GET_ITEM(passing.ptr(), i);
    if (Py_REFCNT(x) == kOnlyLists) unseen.push_back(py::cast<Array*>(py::handle(x)));
  }
  plan.finish(std::move(to), left, results.size(), unseen, passes);
}

py::tuple operand_tuple(const Operand& x) {
  return py::make_tuple(x.name, static_cast<int>(x.dtype), py::tuple(py::cast(x.shape)),
                        reinterpret_cast<uintptr_t>(x.data), x.bytes, x.written);
}

py::tuple step_tuple(const Plan::Step& step) {
  py::tuple operands(step.operands.size());
  for (size_t i = 0; i < step.operands.size(); ++i) operands[i] = operand_tuple(step.operands[i]);
  return py::make_tuple(step.op, operands);
}

py::list steps(const Plan& plan) {
  py::list found;
  for (const Plan::Step& step : plan.steps()) found.append(step_tuple(step));
  return found;
}

py::object stale(const Plan& plan) {
  const Plan::Step* step = plan.stale();
  return step == nullptr ? py::object(py::none()) : py::object(step_tuple(*step));
}

PyObject* new_plan(PyTypeObject*, PyObject*, PyObject*) {
  try {
    return py::cast(std::make_shared<Plan>()).release().ptr();
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<Plan, std::shared_ptr<Plan>> type(
      m, "Plan", py::is_final(), "A recorded list of kernel calls with the memory they use.");
  // NOTE: not py::init: pybind11 hands out uninitialised memory where __init__ was not called.
  auto* slots = reinterpret_cast<PyTypeObject*>(type.ptr());
  slots->tp_new = new_plan;
  slots->tp_init = [](PyObject*, PyObject*, PyObject*) { return 0; };
  type.def("begin", begin, py::arg("companion") = py::none())
      .def("pause", &Plan::pause)
      .def("resume", &Plan::resume)
      .def("host", note_host, py::arg("function"), py::arg("after") = false)
      .def("end", end)
      .def("replay", &Plan::replay, py::call_guard<WithoutGil>())
      .def("patch", patch, py::arg("step"), py::arg("function"))
      .def("profile", &Plan::profile, py::call_guard<WithoutGil>())
      .def("finish", finish, py::arg("slots"), py::arg("results"), py::arg("others"),
           py::arg("passing"), py::arg("passes"))
      .def("call", call, py::arg("args"), py::arg("tensor"))
      .def("start", start, py::arg("args"), py::arg("tensor"), py::arg("repeat"))
      .def("wait", &Plan::wait, py::call_guard<WithoutGil>())
      .def("stale", stale)
      .def("written", &Plan::written)
      .def("owns", &Plan::owns, py::arg("array"))
      .def(
          "holds",
          [](const Plan& plan, uintptr_t at) { return plan.holds(reinterpret_cast<void*>(at)); },
          py::arg("address"))
      .def("steps", steps)
      .def_property_readonly("bytes", &Plan::bytes)
      .def("__len__", &Plan::size);
}

}  // namespace pydl
