// Plan: recording and replay from Python.
#include <memory>

#include "bindings/checks.h"

namespace pydl {

namespace {

// What this thread records into, kept alive: core/submit.h has a plain pointer to it. It is leaked
// where a thread ends while it records, since no Python object may be released there.
thread_local std::shared_ptr<Plan>* recorded = nullptr;

void stop_recording() {
  delete recorded;
  recorded = nullptr;
}

void begin(const std::shared_ptr<Plan>& plan) {
  if (recorded != nullptr && recorded->use_count() == 1) {  // forgotten: nobody could end it
    (*recorded)->end();
    stop_recording();
  }
  plan->begin();
  recorded = new std::shared_ptr<Plan>(plan);
}

void end(Plan& plan) {
  plan.end();
  stop_recording();
}

void replay(Plan& plan) {
  WithoutGil unlocked;
  plan.replay();
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
  type.def("begin", begin).def("end", end).def("replay", replay).def("__len__", &Plan::size);
}

}  // namespace pydl
