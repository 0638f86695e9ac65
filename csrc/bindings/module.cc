// pydl._native: the module itself, and what describes the machine and the memory.
#include <pybind11/stl.h>
#include <stdlib.h>

#include "bindings/checks.h"
#include "core/parallel.h"

namespace pydl {

namespace {

void choose_isa_of_environment() {
  const char* forced = getenv("PYDL_ISA");
  try {
    choose_isa(forced == nullptr ? "" : forced);
  } catch (const std::invalid_argument& e) {
    throw py::import_error(e.what());
  }
}

py::dict memory_stats_dict() {
  const MemoryStats stats = memory_stats();
  py::dict d;
  d["live"] = stats.live;
  d["peak"] = stats.peak;
  d["cached"] = stats.cached;
  d["arrays"] = stats.arrays;
  d["made"] = stats.made;
  return d;
}

void set_threads(int64_t n) {
  if (n < 1 || n > 256) {
    throw py::value_error("set_num_threads: n is " + std::to_string(n) + ", expected [1, 256]");
  }
  WithoutGil unlocked;
  set_num_threads(static_cast<int>(n));
}

void bind_machine(py::module_& m) {
  m.def("isa", isa_name);
  m.def("available_isas", available_isas);
  m.def("cuda_status", [] { return "not built (PYDL_CUDA=OFF)"; });
  m.def("num_threads", num_threads);
  m.def("set_num_threads", set_threads, py::arg("n"));
  m.def("usable_cpus", usable_cpus);
  m.def("memory_stats", memory_stats_dict);
  m.def("reset_peak_memory", reset_peak_memory);
  m.def("empty_cache", empty_cache);
  m.def("fail_allocation_after", fail_allocation_after, py::arg("n"));
}

}  // namespace

}  // namespace pydl

PYBIND11_MODULE(_native, m) {
  using namespace pydl;
  pydl::choose_isa_of_environment();
  bind_machine(m);
  bind_array(m);
  bind_plan(m);
  bind_elementwise(m);
  bind_movement(m);
  bind_reduce(m);
  bind_scan(m);
  bind_sort(m);
  bind_matmul(m);
  bind_conv(m);
  bind_pool(m);
  bind_pad(m);
  bind_resize(m);
  bind_norm(m);
  bind_recurrent(m);
  bind_loss(m);
  bind_index(m);
  bind_random(m);
  bind_optim(m);
}
