"""Checks the promise about imports: `import pydl` costs at most 1.5 times `import numpy`."""

from __future__ import annotations

import subprocess
import sys
import tempfile

LIMIT = 1.5
REPEATS = 15
CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(module: str, folder: str) -> float:
    """The time one fresh interpreter needs to import `module`, installed, not from here."""
    command = [sys.executable, "-c", CODE.format(module)]
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return float(out.stdout)


def main() -> int:
    """Print the best of interleaved repeats; 1 where the ratio is above the limit."""
    times: dict[str, list[float]] = {"numpy": [], "pydl": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(REPEATS):
            for module, found in times.items():
                found.append(seconds(module, folder))
    numpy, pydl = min(times["numpy"]), min(times["pydl"])
    print(
        f"import numpy {1e3 * numpy:.0f} ms, import pydl {1e3 * pydl:.0f} ms: "
        f"{pydl / numpy:.2f} times (limit {LIMIT})"
    )
    return 0 if pydl / numpy <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
