// One more thread, for what goes on while its caller does something else: a plan that was started.
// Not the pool of core/parallel.h: what runs here runs serially, to the same bits.
#pragma once
#include <atomic>
#include <exception>

namespace pydl {

// Work for that thread. Its owner keeps it until `wait_for` returned.
struct Aside {
  void (*run)(void* ctx);
  void* ctx;
  std::exception_ptr error = nullptr;  // what `run` threw
  std::atomic<bool> done{false};
};

void start_aside(Aside* work);  // after all that was started before
void wait_for(const Aside& work);

}  // namespace pydl
