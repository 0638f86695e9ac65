// Source: "greedy by size" and "greedy by breadth" of Pisarchyk and Lee, Efficient Memory
// Management for Deep Neural Net Inference (2020); here with some more orders, of which the best
// counts.
#include "core/passes/layout.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace pydl {

namespace {

struct Placed {
  Extent extent;
  Life life;
};

// Between what lives at the same time, which is sorted by where it begins: the lowest place, or the
// one that leaves the least room.
size_t place(const Life& life, const std::vector<Placed>& placed, bool tightest) {
  size_t at = 0, best = 0, least = 0;
  bool found = false;
  for (const Placed& x : placed) {
    if (x.life.last < life.first || x.life.first > life.last) continue;
    if (x.extent.begin >= at + life.bytes) {
      const size_t room = x.extent.begin - at;
      if (!tightest) return at;
      if (!found || room < least) {
        found = true;
        least = room;
        best = at;
      }
    }
    at = std::max(at, x.extent.end);
  }
  return found ? best : at;
}

Layout in_order(const std::vector<size_t>& order, const std::vector<Life>& lives,
                std::vector<Placed> placed, bool tightest) {
  Layout layout;
  layout.begin.resize(lives.size());
  for (const size_t i : order) {
    const size_t at = place(lives[i], placed, tightest), end = at + lives[i].bytes;
    layout.begin[i] = at;
    layout.top = std::max(layout.top, end);
    const auto after =
        std::upper_bound(placed.begin(), placed.end(), at,
                         [](size_t begin, const Placed& x) { return begin < x.extent.begin; });
    placed.insert(after, {{at, end}, lives[i]});
  }
  return layout;
}

// Of each block, the most bytes that live at once during its life.
std::vector<size_t> breadths(const std::vector<Life>& lives) {
  size_t steps = 0;
  for (const Life& x : lives) steps = std::max(steps, x.last + 1);
  std::vector<size_t> live(steps, 0), most(lives.size(), 0);
  for (const Life& x : lives) {
    for (size_t i = x.first; i <= x.last; ++i) live[i] += x.bytes;
  }
  for (size_t k = 0; k < lives.size(); ++k) {
    for (size_t i = lives[k].first; i <= lives[k].last; ++i) most[k] = std::max(most[k], live[i]);
  }
  return most;
}

}  // namespace

Layout lay_out(const std::vector<Life>& lives, const std::vector<Extent>& fixed) {
  std::vector<Placed> placed;
  for (const Extent& x : fixed) placed.push_back({x, {x.end - x.begin, 0, SIZE_MAX}});
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return a.extent.begin < b.extent.begin; });
  const std::vector<size_t> breadth = breadths(lives);
  const auto length = [&](size_t i) { return lives[i].last - lives[i].first + 1; };
  const std::function<size_t(size_t)> firsts[] = {
      [&](size_t i) { return lives[i].bytes; },
      [&](size_t i) { return lives[i].bytes * length(i); },
      [&](size_t i) { return length(i); },
      [&](size_t i) { return breadth[i]; },
      [&](size_t i) { return SIZE_MAX - lives[i].first; },
      [&](size_t i) { return lives[i].last; },
  };
  Layout best;
  best.top = SIZE_MAX;
  for (const auto& first : firsts) {
    std::vector<size_t> order(lives.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const size_t x = first(a), y = first(b);
      return x != y ? x > y : lives[a].bytes > lives[b].bytes;
    });
    for (const bool tightest : {false, true}) {
      const Layout layout = in_order(order, lives, placed, tightest);
      if (layout.top < best.top) best = layout;
    }
  }
  return best;
}

}  // namespace pydl
