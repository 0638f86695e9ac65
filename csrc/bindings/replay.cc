// Experience replay. The contents of `cursor`, `flags` and indices are checked by the kernels.
#include "core/args/replay.h"

#include "bindings/checks.h"

namespace pydl {

namespace {

int64_t check_count(const Call& call, const char* name, int64_t n, int64_t most) {
  if (n >= 1 && n <= most) return n;
  call.wrong_value(std::string(name) + " is " + std::to_string(n) + ", expected [1, " +
                   std::to_string(most) + "]");
}

// flags (N, T) gives the sizes.
ReplayRows check_rows(const Call& call, const Array& flags, int64_t stack, int64_t n_step) {
  call.need("flags", flags, bit(DType::kU8));
  call.rank("flags", flags, 2, 2, "(N, T)");
  ReplayRows r = {};
  r.N = flags.shape[0];
  r.T = flags.shape[1];
  r.stack = check_count(call, "stack", stack, r.T);
  r.n_step = check_count(call, "n_step", n_step, r.T);
  return r;
}

// (N, T, ...) of any element type: elements of a frame.
int64_t check_frames(const Call& call, const Array& frames, const Array& flags) {
  call.rank("frames", frames, 2, kMaxDims, "(N, T, ...)");
  if (frames.shape[0] != flags.shape[0] || frames.shape[1] != flags.shape[1]) {
    call.wrong_shape("frames", frames,
                     ("(N, T, ...) of flags " + shape_string(flags.shape)).c_str());
  }
  const int64_t places = flags.shape[0] * flags.shape[1];
  return places > 0 ? frames.size / places : 0;
}

// The leaves of a tree of sums over so many places.
int64_t check_tree(const Call& call, const Array& tree, int64_t places) {
  int64_t L = 1;
  while (L < places) L *= 2;
  call.shape("tree", tree, {2 * L});
  return L;
}

void replay_add(const Array& frames, const Array& actions, const Array& rewards, const Array& flags,
                const Array& cursor, Optional tree, const Array& observation, const Array& action,
                const Array& reward, const Array& terminated, const Array& truncated,
                const Array& last, const Array& valid, int64_t stack, int64_t n_step) {
  Call call("replay_add");
  ReplayAddArgs a = {};
  a.rows = check_rows(call, flags, stack, n_step);
  const int64_t N = a.rows.N, T = a.rows.T;
  a.frame = check_frames(call, frames, flags);
  a.itemsize = item_size(frames);
  call.same_dtype("observation", observation, "frames", frames);
  call.same_dtype("last", last, "frames", frames);
  call.rank("action", action, 1, 2, "(N,) or (K, N)");
  const bool several = action.shape.size() == 2;
  a.K = several ? action.shape[0] : 1;
  if (action.shape.back() != N) call.wrong_shape("action", action, "(N,) or (K, N)");
  int64_t steps;
  if (__builtin_mul_overflow(a.K, N, &steps)) call.wrong_value("too many steps");
  call.elements("observation", observation, steps, stack, a.frame, "(K N, stack, frame)");
  call.elements("last", last, steps, stack, a.frame, "(K N, stack, frame)");
  call.shape("actions", actions, {N, T});
  call.shape("rewards", rewards, {N, T});
  call.shape("cursor", cursor, {N});
  call.same_shape("reward", reward, "action", action);
  call.same_shape("terminated", terminated, "action", action);
  call.same_shape("truncated", truncated, "action", action);
  call.same_shape("valid", valid, "action", action);
  a.observation = call.in_any("observation", observation);
  a.last = call.in_any("last", last);
  a.action = call.in<int64_t>("action", action);
  a.reward = call.in<float>("reward", reward);
  a.terminated = call.in<uint8_t>("terminated", terminated);
  a.truncated = call.in<uint8_t>("truncated", truncated);
  a.valid = call.in<uint8_t>("valid", valid);
  a.frames = call.out_any("frames", frames);
  a.rows.actions = a.actions = call.out<int64_t>("actions", actions);
  a.rows.rewards = a.rewards = call.out<float>("rewards", rewards);
  a.rows.flags = a.flags = static_cast<uint8_t*>(call.out_any("flags", flags));
  a.rows.cursor = a.cursor = call.out<int64_t>("cursor", cursor);
  if (tree.x != nullptr) {
    a.L = check_tree(call, *tree.x, N * T);
    a.tree = call.out<float>("tree", *tree.x);
  }
  call.run(cpu_table().replay_add, a);
}

void replay_draw(const Array& actions, const Array& rewards, const Array& flags,
                 const Array& cursor, Optional tree, const Array& state, const Array& index,
                 const Array& next, const Array& action, const Array& reward, const Array& discount,
                 const Array& priority, int64_t stack, int64_t n_step, double gamma) {
  Call call("replay_draw");
  ReplayDrawArgs a = {};
  a.rows = check_rows(call, flags, stack, n_step);
  const int64_t N = a.rows.N, T = a.rows.T;
  call.shape("actions", actions, {N, T});
  call.shape("rewards", rewards, {N, T});
  call.shape("cursor", cursor, {N});
  call.shape("state", state, {2});
  call.rank("index", index, 1, 1, "(B,)");
  a.B = index.size;
  for (const Array* x : {&next, &action, &reward, &discount, &priority}) {
    call.same_shape("an output", *x, "index", index);
  }
  a.gamma = static_cast<float>(gamma);
  a.rows.actions = call.in<int64_t>("actions", actions);
  a.rows.rewards = call.in<float>("rewards", rewards);
  a.rows.flags = static_cast<const uint8_t*>(call.in_any("flags", flags));
  a.rows.cursor = call.in<int64_t>("cursor", cursor);
  if (tree.x != nullptr) {
    a.L = check_tree(call, *tree.x, N * T);
    a.tree = call.in<float>("tree", *tree.x);
  }
  a.state = call.out<int64_t>("state", state);
  a.index = call.out<int64_t>("index", index);
  a.next = call.out<int64_t>("next", next);
  a.action = call.out<int64_t>("action", action);
  a.reward = call.out<float>("reward", reward);
  a.discount = call.out<float>("discount", discount);
  a.priority = call.out<float>("priority", priority);
  call.run(cpu_table().replay_draw, a);
}

void replay_stack(const Array& frames, const Array& index, const Array& out, int64_t stack) {
  Call call("replay_stack");
  ReplayStackArgs a = {};
  call.rank("frames", frames, 2, kMaxDims, "(N, T, ...)");
  call.rank("index", index, 1, 1, "(B,)");
  a.N = frames.shape[0];
  a.T = frames.shape[1];
  a.stack = check_count(call, "stack", stack, a.T);
  a.B = index.size;
  a.frame = frames.size > 0 ? frames.size / (a.N * a.T) : 0;
  a.itemsize = item_size(frames);
  call.same_dtype("out", out, "frames", frames);
  call.elements("out", out, a.B, stack, a.frame, "(B, stack, frame)");
  a.frames = call.in_any("frames", frames);
  a.index = call.in<int64_t>("index", index);
  a.out = call.out_any("out", out);
  call.run(cpu_table().replay_stack, a);
}

void replay_priorities(const Array& tree, const Array& index, const Array& priority,
                       int64_t places) {
  Call call("replay_priorities");
  ReplayPrioritiesArgs a = {};
  a.places = check_count(call, "places", places, int64_t{1} << 40);
  a.L = check_tree(call, tree, places);
  call.rank("index", index, 1, 1, "(B,)");
  call.same_shape("priority", priority, "index", index);
  a.B = index.size;
  a.index = call.in<int64_t>("index", index);
  a.priority = call.in<float>("priority", priority);
  a.tree = call.out<float>("tree", tree);
  call.run(cpu_table().replay_priorities, a);
}

}  // namespace

void bind_replay(py::module_& m) {
  m.def("replay_add", replay_add, py::arg("frames"), py::arg("actions"), py::arg("rewards"),
        py::arg("flags"), py::arg("cursor"), py::arg("tree"), py::arg("observation"),
        py::arg("action"), py::arg("reward"), py::arg("terminated"), py::arg("truncated"),
        py::arg("last"), py::arg("valid"), py::arg("stack"), py::arg("n_step"));
  m.def("replay_draw", replay_draw, py::arg("actions"), py::arg("rewards"), py::arg("flags"),
        py::arg("cursor"), py::arg("tree"), py::arg("state"), py::arg("index"), py::arg("next"),
        py::arg("action"), py::arg("reward"), py::arg("discount"), py::arg("priority"),
        py::arg("stack"), py::arg("n_step"), py::arg("gamma"));
  m.def("replay_stack", replay_stack, py::arg("frames"), py::arg("index"), py::arg("out"),
        py::arg("stack"));
  m.def("replay_priorities", replay_priorities, py::arg("tree"), py::arg("index"),
        py::arg("priority"), py::arg("places"));
}

}  // namespace pydl
