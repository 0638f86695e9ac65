"""Experience replay, row by row: see csrc/core/args/replay.h for the layout and its rules.

Rows of N environments lie in rings of T places. A row without an action is the past of the first
observation of an episode, or what its last step came to.
"""

from __future__ import annotations

from dataclasses import dataclass as _dataclass

import numpy as np

from .. import philox
from .precision import A, quiet

ACTION, TERMINATED, TRUNCATED = 1, 2, 4
TRIES = 32  # words that drawing a row alike likely takes from the stream


@_dataclass
class _Rows:
    actions: A
    rewards: A
    flags: A
    cursor: A
    stack: int
    n_step: int

    def ring(self, e: int) -> range:
        """The rows of an environment that are there."""
        to = min(max(0, int(self.cursor[e])), 2**62)
        return range(max(0, to - self.flags.shape[1]), to)

    def flag(self, e: int, row: int) -> int:
        return int(self.flags[e, row % self.flags.shape[1]])

    def steps(self, e: int, row: int, to: int) -> int:
        """How many lie between a row and what it came to; 0 where that is not there."""
        for m in range(self.n_step):
            if row + m + 1 >= to or not self.flag(e, row + m) & ACTION:
                return 0
            if self.flag(e, row + m) & (TERMINATED | TRUNCATED):
                return m + 1
        return self.n_step

    def drawable(self, e: int, row: int) -> bool:
        there = self.ring(e)
        past = row - self.stack + 1 >= there.start
        return past and row < there.stop and self.steps(e, row, there.stop) > 0


def replay_add(
    frames: A, actions: A, rewards: A, flags: A, cursor: A, tree: A | None, observation: A,
    action: A, reward: A, terminated: A, truncated: A, last: A, valid: A, stack: int, n_step: int,
) -> None:  # fmt: skip
    N, T = flags.shape
    rows = _Rows(actions, rewards, flags, cursor, stack, n_step)

    def append(e: int, frame: A, flag: int, a: int, r: float) -> None:
        row = rows.ring(e).stop
        place = row % T
        frames[e, place], actions[e, place] = frame, a
        rewards[e, place], flags[e, place] = r, flag
        cursor[e] = row + 1
        if tree is None:
            return
        _set(tree, e * T + place, 0)
        there = rows.ring(e)
        for i in range(there.start, min(there.start + stack - 1, row)) if there.start else ():
            _set(tree, e * T + i % T, 0)
        for i in range(max(there.start, row - n_step), row):
            if i + rows.steps(e, i, row + 1) == row and rows.drawable(e, i):
                _set(tree, e * T + i % T, tree[0])

    seen = observation.reshape(-1, stack, *frames.shape[2:])
    after = last.reshape(seen.shape)
    action, reward, terminated, truncated = (
        x.reshape(-1) for x in (action, reward, terminated, truncated)
    )
    for i in np.flatnonzero(valid).tolist():
        e = i % N
        before = rows.ring(e).stop - 1
        if before < 0 or not rows.flag(e, before) & ACTION:
            for k in range(stack - 1):
                append(e, seen[i, k], 0, 0, 0)
        flag = ACTION | TERMINATED * int(terminated[i]) | TRUNCATED * int(truncated[i])
        append(e, seen[i, -1], flag, action[i], reward[i])
        if flag != ACTION:
            append(e, after[i, -1], 0, 0, 0)


def replay_draw(
    actions: A, rewards: A, flags: A, cursor: A, tree: A | None, state: A, index: A, next: A,
    action: A, reward: A, discount: A, priority: A, stack: int, n_step: int, gamma: float,
) -> None:  # fmt: skip
    N, T = flags.shape
    rows = _Rows(actions, rewards, flags, cursor, stack, n_step)
    B = index.size
    used = B * (TRIES if tree is None else 1)
    words = philox.words(int(state[0]), int(state[1]), used)
    state[1:] += philox.blocks_of(used)
    everything = [(e, row) for e in range(N) for row in rows.ring(e)]
    for b in range(B):
        found = None
        if tree is None:
            found = _alike(rows, everything, words[b * TRIES : (b + 1) * TRIES])
        elif tree[1] > 0:
            u = float(words[b] >> np.uint32(8)) * 2.0**-24
            place = _descend(tree, (b + u) * (float(tree[1]) / B))
            if place < N * T:
                e, slot = divmod(place, T)
                start = rows.ring(e).start
                found = e, start + (slot - start) % T
            if found is not None and not rows.drawable(*found):
                found = None
        _describe(rows, found, b, gamma, (index, next, action, reward, discount))
        priority[b] = 1 if tree is None or found is None else tree[tree.size // 2 + index[b]]


def _alike(rows: _Rows, everything: list[tuple[int, int]], words: A) -> tuple[int, int] | None:
    """One that can be drawn, found by trying; where few can, the next one that can."""
    i, total = 0, len(everything)
    for w in words if total else ():
        i = int(w) * total >> 32
        if rows.drawable(*everything[i]):
            return everything[i]
    for t in range(1, total + 1):
        if rows.drawable(*everything[(i + t) % total]):
            return everything[(i + t) % total]
    return None


def _describe(
    rows: _Rows, found: tuple[int, int] | None, b: int, gamma: float, outputs: tuple[A, ...]
) -> None:
    index, next_, action, reward, discount = outputs
    index[b] = next_[b] = -1
    action[b] = reward[b] = discount[b] = 0
    if found is None:
        return
    e, row = found
    T = rows.flags.shape[1]
    steps = rows.steps(e, row, rows.ring(e).stop)
    kind = reward.dtype.type
    total, g = kind(0), kind(1)
    for m in range(steps):
        total += g * kind(rows.rewards[e, (row + m) % T])
        g *= kind(gamma)
    over = rows.flag(e, row + steps - 1) & TERMINATED
    index[b], next_[b] = e * T + row % T, e * T + (row + steps) % T
    action[b] = rows.actions[e, row % T]
    reward[b], discount[b] = total, 0 if over else g


def replay_stack(frames: A, index: A, out: A, stack: int) -> None:
    """out[b] = the frames up to place index[b], oldest first; zeros where there is no such one."""
    N, T = frames.shape[:2]
    stacks = out.reshape(index.size, stack, *frames.shape[2:])
    for b, place in enumerate(index.tolist()):
        e, slot = divmod(place, T)
        there = 0 <= place < N * T
        stacks[b] = frames[e, [(slot - k) % T for k in range(stack)][::-1]] if there else 0


@quiet
def replay_priorities(tree: A, index: A, priority: A, places: int) -> None:
    """New priorities of rows that can be drawn, where they are positive and finite."""
    for place, p in zip(index.tolist(), priority, strict=True):
        if not (0 <= place < places and 0 < p < np.inf and tree[tree.size // 2 + place] > 0):
            continue
        tree[0] = max(tree[0], p)
        _set(tree, place, p)


def _set(tree: A, place: int, priority: float) -> None:
    i = tree.size // 2 + place
    tree[i] = priority
    while i > 1:
        i //= 2
        tree[i] = tree[2 * i] + tree[2 * i + 1]


def _descend(tree: A, target: float) -> int:
    """The place where the sum of priorities passes `target`."""
    i, leaves = 1, tree.size // 2
    while i < leaves:
        left = float(tree[2 * i])
        right = (target >= left or not left > 0) and tree[2 * i + 1] > 0
        target -= left if right else 0.0
        i = 2 * i + int(right)
    return i - leaves
