// What the binding files share: one register function per kernel family, called by module.cc.
#pragma once
#include <pybind11/pybind11.h>

namespace pydl {

namespace py = pybind11;

void bind_array(py::module_& m);
void bind_plan(py::module_& m);
void bind_elementwise(py::module_& m);
void bind_movement(py::module_& m);
void bind_reduce(py::module_& m);
void bind_scan(py::module_& m);
void bind_sort(py::module_& m);
void bind_matmul(py::module_& m);
void bind_conv(py::module_& m);
void bind_pool(py::module_& m);
void bind_pad(py::module_& m);
void bind_resize(py::module_& m);
void bind_norm(py::module_& m);
void bind_recurrent(py::module_& m);
void bind_loss(py::module_& m);
void bind_index(py::module_& m);
void bind_random(py::module_& m);
void bind_replay(py::module_& m);
void bind_optim(py::module_& m);

}  // namespace pydl
