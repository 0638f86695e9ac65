"""A progress bar: tqdm's where it is installed, else a plain line on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any


class Progress:
    """Shows how far something has come.

    Args:
        label: What is going on.
        total: How much there is to do, None where nobody knows.
        unit: What is counted; ``"B"`` shows as kB and MB.
        done: How much was done before.
    """

    def __init__(self, label: str, total: int | None, unit: str = "B", done: int = 0) -> None:
        self.label, self.total, self.unit, self.done = label, total, unit, done
        self._shown = 0.0
        self._bar: Any = None
        try:
            from tqdm import tqdm
        except ImportError:
            return
        self._bar = tqdm(
            desc=label,
            total=total,
            initial=done,
            unit=unit,
            unit_scale=unit == "B",
            mininterval=0.2 if sys.stderr.isatty() else 10.0,  # seconds; spares log files
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._line("\n")

    def update(self, n: int) -> None:
        """Says that `n` more are done."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif sys.stderr.isatty() and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            self._line("")

    def _line(self, end: str) -> None:
        scale, unit = (1e6, "MB") if self.unit == "B" else (1, self.unit)
        of = f" of {self.total / scale:.0f}" if self.total else ""
        start = "\r" if sys.stderr.isatty() else ""
        print(f"{start}{self.label}: {self.done / scale:.0f}{of} {unit}", end=end, file=sys.stderr)
        sys.stderr.flush()
