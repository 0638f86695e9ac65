"""Checks the promises about size: a wheel under 5 MB, under 15 MB installed."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path


def main() -> int:
    """Print the sizes of the wheel named on the command line; 1 where one is too large."""
    wheel = Path(sys.argv[1])
    packed = wheel.stat().st_size / 1e6
    with zipfile.ZipFile(wheel) as archive:
        installed = sum(info.file_size for info in archive.infolist()) / 1e6
    print(f"{wheel.name}: {packed:.2f} MB (limit 5), installed {installed:.2f} MB (limit 15)")
    return 0 if packed < 5 and installed < 15 else 1


if __name__ == "__main__":
    sys.exit(main())
