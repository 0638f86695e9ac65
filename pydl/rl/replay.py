"""ReplayBuffer: what was seen and done, kept once, and drawn from at random.

The kernels are csrc/cpu/replay.cc; the layout of the rows is told in csrc/core/args/replay.h.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import dtypes
from ..device import device as find_device
from ..dtypes import DType
from ..ops import empty, from_numpy
from ..recording import thread
from ..tensor import Tensor

Array = NDArray[Any]


class Batch(NamedTuple):
    """Transitions that were drawn.

    Attributes:
        observation: (B, ...), in the element type of the buffer.
        action: (B,), int64: what was done there.
        reward: (B,): r_0 + gamma r_1 + ... over the steps to `next_observation`.
        next_observation: (B, ...): n_step steps later, or the last of the episode.
        discount: (B,): gamma^steps, or 0 where the episode terminated: what the value of
            `next_observation` counts. A truncated episode has its discount: it could have gone on.
        place: (B,), int64: where they lie, for `update_priorities`.
        priority: (B,): by which they were drawn; 1 without priorities.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    discount: Tensor
    place: Tensor
    priority: Tensor


class ReplayBuffer:
    """The last steps of some environments, from which transitions are drawn.

    A frame is stored once, however many observations it is part of. `sample` runs on the device
    from a random stream of its own, so a captured training step may hold it: each replay draws
    anew, from what is there then. Nothing is drawn across the end of an episode.

    Args:
        capacity: rows in all. A step takes one; an episode one more for its last observation, and
            `stack - 1` for what its first observation shows of the past.
        observation_shape: of one observation; (stack, ...) where stack > 1.
        dtype: element type of observations.
        num_envs: how many environments there are: each has its share of the rows.
        stack: frames that an observation consists of, the newest last.
        n_step: steps from an observation to the next one of a transition.
        gamma: the discount of a step.
        prioritized: draw by priorities; new rows have the largest so far.
        alpha: how much priorities matter: a row is drawn as (error + eps)^alpha.
        eps: what keeps priorities from 0.
        seed: of the random stream.
        device: where rows lie and are drawn.
        map_above: beyond so many bytes frames lie in a file, not in memory.
        folder: of that file, which has no name and goes away with the buffer.

    Raises:
        ValueError: a size does not fit.

    Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015); Schaul
        et al., "Prioritized experience replay" (2016); Sutton and Barto, section 7.1 (n steps).
    """

    def __init__(
        self,
        capacity: int,
        observation_shape: Sequence[int],
        dtype: DType = dtypes.float32,
        num_envs: int = 1,
        *,
        stack: int = 1,
        n_step: int = 1,
        gamma: float = 0.99,
        prioritized: bool = False,
        alpha: float = 0.6,
        eps: float = 1e-6,
        seed: int = 0,
        device: str = "cpu",
        map_above: int = 4 << 30,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        shape = tuple(observation_shape)
        for name, value in {"num_envs": num_envs, "stack": stack, "n_step": n_step}.items():
            if value < 1:
                raise ValueError(f"ReplayBuffer: {name} is {value}, expected 1 or more")
        if stack > 1 and shape[:1] != (stack,):
            raise ValueError(
                f"ReplayBuffer: observations of {stack} frames are ({stack}, ...), got {shape}"
            )
        T = capacity // num_envs
        if stack + n_step + 1 > T or T * num_envs > 2**32:
            least = num_envs * (stack + n_step + 1)
            raise ValueError(
                f"ReplayBuffer: capacity is {capacity}, expected [{least}, 2^32] for num_envs="
                f"{num_envs}, stack={stack}, n_step={n_step}"
            )
        if not 0 <= gamma <= 1:
            raise ValueError(f"ReplayBuffer: gamma is {gamma}, expected [0, 1]")
        self.observation_shape, self.dtype, self.num_envs = shape, dtype, num_envs
        self.stack, self.n_step, self.gamma = stack, n_step, gamma
        self.prioritized, self.alpha, self.eps = prioritized, alpha, eps
        self.device = find_device(device)
        self._batch = (num_envs, *shape)
        frame = shape[1:] if stack > 1 else shape
        bytes = num_envs * T * math.prod(frame) * dtype.itemsize
        self.rows = {
            "frames": self._frames((num_envs, T, *frame), bytes > map_above, folder),
            "actions": self._zeros((num_envs, T), np.int64),
            "rewards": self._zeros((num_envs, T), np.float32),
            "flags": self._zeros((num_envs, T), np.uint8),
            "cursor": self._zeros((num_envs,), np.int64),
        }
        self.stream = from_numpy(np.array([seed, 0], np.int64), self.device)
        self.tree: Tensor | None = None
        if prioritized:
            leaves = 1 << (num_envs * T - 1).bit_length()
            self.tree = self._zeros((2 * leaves,), np.float32)
            self.tree.numpy()[0] = 1
        self._rows = [t.data for t in self.rows.values()]
        self._rows.append(None if self.tree is None else self.tree.data)
        self._cursor = self.rows["cursor"].numpy()
        self._wrapped: dict[str, tuple[Any, Any]] = {}  # arrays seen last, and theirs on the device
        self._everybody = np.ones(num_envs, np.bool_)

    def _zeros(self, shape: tuple[int, ...], dtype: Any) -> Tensor:
        return from_numpy(np.zeros(shape, dtype), self.device)

    def _frames(self, shape: tuple[int, ...], mapped: bool, folder: Any) -> Tensor:
        if not mapped:
            return self._zeros(shape, self.dtype.numpy)
        with tempfile.TemporaryFile(dir=folder) as file:
            return from_numpy(np.memmap(file, self.dtype.numpy, "w+", shape=shape), self.device)

    def __len__(self) -> int:
        """Rows that are there."""
        return int(np.minimum(self._cursor, self.rows["flags"].shape[1]).sum())

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        parts = [*self.rows.values(), *([] if self.tree is None else [self.tree])]
        return sum(t.numel() * t.dtype.itemsize for t in parts)

    # ---- writing

    def add(
        self,
        observation: Array,
        action: Array,
        reward: Array,
        terminated: Array,
        truncated: Array,
        next_observation: Array,
        valid: Array | None = None,
    ) -> None:
        """Appends a step of every environment: `buffer.add(*environments.step(action))`.

        Or several steps, then the arrays are (K, num_envs, ...). Arrays that are passed again and
        again are looked at once: let them keep their kind.

        Args:
            observation: (num_envs, ...): what the actions were chosen from.
            action: (num_envs,), int64.
            reward: (num_envs,), float32.
            terminated: (num_envs,), bool: the episode is over.
            truncated: (num_envs,), bool: it was cut off, and could have gone on.
            next_observation: (num_envs, ...): what the step came to, the last observation of an
                episode and not the first of the next one.
            valid: (num_envs,), bool: where there was a step at all; everywhere unless given.

        Raises:
            TypeError: an array has another element type.
            ValueError: an array has another shape.
        """
        if valid is None:
            valid = self._everybody if action.ndim == 1 else np.ones(action.shape, np.bool_)
        native = self._native
        self.device.kernels.replay_add(
            *self._rows,
            native("observation", observation),
            native("action", action),
            native("reward", reward),
            native("terminated", terminated),
            native("truncated", truncated),
            native("next_observation", next_observation),
            native("valid", valid),
            self.stack,
            self.n_step,
        )

    def _native(self, name: str, array: Array) -> Any:
        """The device's array over the same memory."""
        seen = self._wrapped.get(name)
        if seen is not None and seen[0] is array:
            return seen[1]
        observed = name.endswith("observation")
        shape = self._batch if observed else (self.num_envs,)
        kinds = {"action": np.int64, "reward": np.float32}
        dtype = np.dtype(self.dtype.numpy if observed else kinds.get(name, np.bool_))
        if shape not in (array.shape, array.shape[1:]) or array.dtype != dtype:
            error = ValueError if array.dtype == dtype else TypeError
            raise error(
                f"ReplayBuffer.add: {name} is {array.dtype} {array.shape}, expected {dtype} {shape}"
            )
        owned = np.require(array, requirements=["C", "A", "W"])
        native = self.device.from_numpy(owned)
        if owned is array:
            self._wrapped[name] = (array, native)
        return native

    # ---- reading

    def sample(self, batch_size: int) -> Batch:
        """Draws transitions, with replacement.

        Args:
            batch_size: how many.

        Raises:
            ValueError: no transition is complete yet.
        """
        device, rows = self.device, self.rows
        words = [empty((batch_size,), dtype=dtypes.int64, device=device) for _ in range(3)]
        numbers = [empty((batch_size,), device=device) for _ in range(3)]
        place, following, action = words
        reward, discount, priority = numbers
        device.kernels.replay_draw(
            *(rows[name].data for name in ("actions", "rewards", "flags", "cursor")),
            None if self.tree is None else self.tree.data,
            self.stream.data,
            *(t.data for t in (*words, *numbers)),
            self.stack,
            self.n_step,
            self.gamma,
        )
        if thread.recording is None and batch_size > 0 and int(place.numpy()[0]) < 0:
            raise ValueError(
                f"ReplayBuffer.sample: none of the {len(self)} rows is a whole transition of "
                f"{self.n_step} steps yet"
            )
        seen, after = self._stacks(place), self._stacks(following)
        return Batch(seen, action, reward, after, discount, place, priority)

    def _stacks(self, place: Tensor) -> Tensor:
        out = empty((len(place), *self.observation_shape), dtype=self.dtype, device=self.device)
        self.device.kernels.replay_stack(self.rows["frames"].data, place.data, out.data, self.stack)
        return out

    def weights(self, batch: Batch, beta: Tensor | float) -> Tensor:
        """Importance-sampling weights (B,): (p / min p)^-beta, 1 at most.

        Args:
            batch: of `sample`.
            beta: 0 for none, 1 for the whole correction; a tensor where a captured step has it
                grow.

        Source: Schaul et al. (2016), section 3.4, relative to the rarest row of the batch.
        """
        relative: Tensor = batch.priority / batch.priority.min()
        return (-beta * relative.log()).exp()

    def update_priorities(self, place: Tensor, error: Tensor) -> None:
        """Lets rows be drawn by how wrong they were.

        Args:
            place: (B,): where the rows of a batch lie.
            error: (B,): temporal-difference errors; their size counts.

        Raises:
            ValueError: the buffer has no priorities.
        """
        if self.tree is None:
            raise ValueError("ReplayBuffer.update_priorities: made without prioritized=True")
        priority = (error.detach().abs() + self.eps) ** self.alpha
        places = self.rows["flags"].numel()
        self.device.kernels.replay_priorities(self.tree.data, place.data, priority.data, places)

    # ---- keeping

    def state_dict(self) -> dict[str, Tensor]:
        """All that is stored, without a copy; rows that were not written yet are left out."""
        used = int(self._cursor.max(initial=0))
        T = self.rows["flags"].shape[1]
        state = {
            name: t if name == "cursor" or used >= T else t[:, :used]
            for name, t in self.rows.items()
        }
        return {**state, **self._others()}

    def _others(self) -> dict[str, Tensor]:
        return {"stream": self.stream, **({} if self.tree is None else {"tree": self.tree})}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where `state_dict` was taken, in place.

        Raises:
            ValueError: the state is of another buffer.
        """
        mine = {**self.rows, **self._others()}
        if mine.keys() != state.keys():
            raise ValueError(
                f"ReplayBuffer: the state has {', '.join(state)}, expected {', '.join(mine)}"
            )
        for name, t in mine.items():
            to, saved = t.numpy(), state[name].numpy()
            part = to if name in ("cursor", "stream", "tree") else to[:, : saved.shape[1]]
            if part.shape != saved.shape or part.dtype != saved.dtype:
                raise ValueError(
                    f"ReplayBuffer: {name} of the state is {saved.dtype} {saved.shape}, expected "
                    f"{to.dtype} {to.shape}"
                )
            part[...] = saved
