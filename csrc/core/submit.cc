#include "core/submit.h"

#include "core/denormals.h"

namespace pydl {

void run_call(void (*run)(const void*), const void* call, size_t bytes) {
  if (Plan* plan = patched_plan()) return plan->patch(run, call, bytes);
  {
    FlushDenormals flush;
    run(call);
  }
  if (Plan* plan = recording_plan()) plan->note(run, call, bytes);
}

}  // namespace pydl
