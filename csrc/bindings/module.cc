// pydl._native: the module itself, and what describes the machine and the memory.
#include <pybind11/stl.h>
#include <stdlib.h>

#include <vector>

#include "bindings/checks.h"
#include "bindings/values.h"
#include "core/args/machine.h"
#include "core/parallel.h"

#if defined(__clang__)
#define PYDL_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define PYDL_COMPILER "gcc " __VERSION__
#else
#define PYDL_COMPILER "unknown"
#endif

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

double fma_peak_of(int64_t pieces, int64_t rounds) {
  if (pieces < 1 || pieces > 65536 || rounds < 1) {
    throw py::value_error("fma_peak: expected pieces in [1, 65536] and rounds >= 1, got " +
                          std::to_string(pieces) + " and " + std::to_string(rounds));
  }
  std::vector<float> out(static_cast<size_t>(pieces));
  WithoutGil unlocked;
  cpu_table().fma_peak({pieces, rounds, out.data()});
  return 2.0 * static_cast<double>(pieces) * static_cast<double>(rounds) * kFmasPerRound;
}

void bind_machine(py::module_& m) {
  m.def("isa", isa_name);
  m.def("compiler", [] { return PYDL_COMPILER; });
  m.def("available_isas", available_isas);
  m.def("cuda_status", [] { return "not built (PYDL_CUDA=OFF)"; });
  m.def("num_threads", num_threads);
  m.def("set_num_threads", set_threads, py::arg("n"));
  m.def("usable_cpus", usable_cpus);
  m.def("fma_peak", fma_peak_of, py::arg("pieces"), py::arg("rounds"));
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
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      std::rethrow_exception(p);
    } catch (const DivisionByZero& e) {
      PyErr_SetString(PyExc_ZeroDivisionError, e.what());
    }
  });
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
  bind_replay(m);
  bind_optim(m);
}
