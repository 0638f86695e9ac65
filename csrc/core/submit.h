// submit: the one road from a caller to a kernel. It runs the call, and where a Plan records, notes
// it there as well.
#pragma once
#include <stddef.h>

#include <type_traits>

#include "core/plan.h"

namespace pydl {

// What a plan keeps of a call: plain data, which `run_kernel` of the same type understands.
template <class Args>
struct KernelCall {
  void (*fn)(const Args&);
  Args args;
};

template <class Args>
void run_kernel(const void* call) {
  const auto* c = static_cast<const KernelCall<Args>*>(call);
  c->fn(c->args);
}

void run_call(void (*run)(const void*), const void* call, size_t bytes);

template <class Args>
void submit(void (*fn)(const Args&), const Args& args) {
  static_assert(std::is_trivially_copyable<Args>::value, "kernel arguments are plain data");
  const KernelCall<Args> call = {fn, args};
  run_call(run_kernel<Args>, &call, sizeof call);
}

}  // namespace pydl
