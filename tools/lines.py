"""Prints how many lines the project has, folder by folder: what is to be read in a weekend."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

SUFFIXES = {".py", ".pyi", ".h", ".cc", ".cu", ".cuh", ".txt", ".toml", ".md", ".sh"}


def main() -> None:
    """Count the lines of every file that git tracks."""
    root = Path(__file__).resolve().parents[1]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    lines: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for name in listed.splitlines():
        path = root / name
        if name.startswith("benchmarks/results/"):
            continue  # tables that were measured
        if path.suffix in SUFFIXES and path.is_file():
            parts = Path(name).parts
            folder = "/".join(parts[:2]) if parts[0] in ("csrc", "pydl") else parts[0]
            folder = folder if len(parts) > 1 else "."
            folder = parts[0] if len(parts) == 2 else folder
            lines[folder] += len(path.read_text(encoding="utf-8").splitlines())
            files[folder] += 1
    for folder in sorted(lines):
        print(f"{folder:20} {files[folder]:4} files {lines[folder]:7} lines")
    print(f"{'all':20} {files.total():4} files {lines.total():7} lines")


if __name__ == "__main__":
    main()
