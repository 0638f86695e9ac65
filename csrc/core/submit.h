// submit: the one road from a caller to a kernel. It runs the call, and where a Plan records, notes
// it there as well.
#pragma once
#include <stddef.h>

#include <type_traits>

#include "core/plan.h"

namespace pydl {

void run_call(void (*run)(const void*), const void* call, size_t bytes);

template <class Args>
void submit(void (*fn)(const Args&), const Args& args) {
  static_assert(std::is_trivially_copyable<Args>::value, "kernel arguments are plain data");
  struct Call {
    void (*fn)(const Args&);
    Args args;
  };
  const Call call = {fn, args};
  run_call(
      [](const void* p) {
        const Call* c = static_cast<const Call*>(p);
        c->fn(c->args);
      },
      &call, sizeof call);
}

}  // namespace pydl
