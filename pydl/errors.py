"""Errors that more than one part of pydl raises."""

from __future__ import annotations

import os

__all__ = ["AnomalyError", "CaptureError", "FormatError"]


class AnomalyError(RuntimeError):
    """A NaN or Inf came up while `pydl.detect_anomaly` was on."""


class CaptureError(RuntimeError):
    """A captured function did what a replay could not repeat (see `pydl.capture`)."""


class FormatError(ValueError):
    """A file is malformed, truncated, or of a kind pydl does not read.

    Args:
        file: The file, as a path or as the name under which it is known.
        reason: What is wrong with it, in a few words.

    The message is always ``<file>: <reason>``; both parts stay readable as attributes.
    """

    def __init__(self, file: str | os.PathLike[str], reason: str) -> None:
        # Both go to args, so that the error survives pickling between processes.
        super().__init__(os.fspath(file), reason)
        self.file = os.fspath(file)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"
