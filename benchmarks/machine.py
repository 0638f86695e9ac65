"""The header of a report: which machine, build and threads, and how busy others keep it."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from pydl import _native

ROOT = Path(__file__).parents[1]


def cpu_name() -> str:
    """As the kernel tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Of the sources, with a + where they were changed since."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def busy(seconds: float = 0.5) -> float:
    """The part of all CPUs that others use now, 0 to 1; to be asked before the workers start."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))

    def read() -> tuple[int, int]:
        ticks = [int(t) for t in stat.read_text(encoding="ascii").splitlines()[0].split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]  # all; idle and waiting for input

    total, idle = read()
    time.sleep(seconds)
    then = read()
    return 1 - (then[1] - idle) / max(1, then[0] - total)


def header(threads: int, repeats: int, others: float) -> dict[str, Any]:
    """The first line of a file of results."""
    return {
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "isa": _native.isa(),
        "compiler": _native.compiler(),
        "threads": threads,
        "repeats": repeats,
        "versions": {"python": platform.python_version()},
        "commit": commit(),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()}",
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "busy": round(others, 3),
    }
