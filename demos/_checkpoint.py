"""One file from which a run goes on, bit by bit: its networks, its optimizers, and notes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _command_line import UserError

import pydl
import pydl.nn as nn
from pydl import Tensor, optim

Parts = Mapping[str, nn.Module | optim.Optimizer | Tensor]


class Checkpoint:
    """A file that is whole at any moment, the old one or the new.

    Args:
        path: Of the file.
        program: Whose it is; another program's is refused.
        identity: What decides the bits of the run: with other values the file is refused.
    """

    def __init__(self, path: Path, program: str, identity: Mapping[str, Any]) -> None:
        self.path, self.program, self.identity = path, program, dict(identity)
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink()  # a run was killed while it wrote

    def exists(self) -> bool:
        """Whether there is something to go on with."""
        return self.path.exists()

    def save(self, parts: Parts, notes: Mapping[str, Any]) -> None:
        """Writes the state of all parts, and notes of what JSON can hold."""
        tensors: dict[str, Tensor] = {}
        groups: dict[str, str] = {}
        for name, part in parts.items():
            state: Mapping[str, Tensor]
            if isinstance(part, optim.Optimizer):
                state, groups[name] = optim.flatten_state(part.state_dict())
            else:
                state = part.state_dict() if isinstance(part, nn.Module) else {"": part}
            tensors.update({f"{name}.{key}": t for key, t in state.items()})
        text = json.dumps({"identity": self.identity, "groups": groups, "notes": notes})
        pydl.save(tensors, self.path, {self.program: text})

    def load(
        self, parts: Parts, hints: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Puts networks and optimizers where `save` found them.

        Args:
            parts: As for `save`; tensors among them are left alone.
            hints: What to add to the complaint where a value of this name differs.

        Returns:
            The notes, and the tensors that were among the parts.

        Raises:
            UserError: the file is another program's or another run's.
        """
        text = pydl.io.load_metadata(self.path).get(self.program)
        if text is None:
            raise UserError(f"{self.path} is not a checkpoint of this program")
        found = json.loads(text)
        self._compare(found["identity"], hints or {})
        tensors = pydl.load(self.path)
        loose = {}
        for name, part in parts.items():
            start = f"{name}."
            state = {k[len(start) :]: t for k, t in tensors.items() if k.startswith(start)}
            if isinstance(part, optim.Optimizer):
                part.load_state_dict(optim.unflatten_state(state, found["groups"][name]))
            elif isinstance(part, nn.Module):
                part.load_state_dict(state)
            else:
                loose[name] = state[""]
        return found["notes"], loose

    def _compare(self, theirs: Mapping[str, Any], hints: Mapping[str, str]) -> None:
        ours = self.identity
        names = [n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n)]
        if names:
            there = ", ".join(f"{n}={theirs.get(n)}" for n in names)
            here = ", ".join(f"{n}={ours.get(n)}" for n in names)
            hint = "".join(f"; {hints[n]}" for n in names if n in hints)
            raise UserError(
                f"{self.path} was made with {there}, this run has {here}{hint}. "
                "Use the same options, or another --out, or leave out --resume."
            )


def digest(*networks: nn.Module) -> str:
    """SHA-256 of all weights of some networks, with their names."""
    found = hashlib.sha256()
    for network in networks:
        for name, t in network.state_dict().items():
            found.update(name.encode() + t.numpy().tobytes())
    return found.hexdigest()
