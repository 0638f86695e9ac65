"""Compares pydl with PyTorch op by op on generated calls; a tool for development, trains nothing.

python tools/compare_torch.py                     # everything; needs tools/requirements-compare.txt
python tools/compare_torch.py --only F.conv2d     # one function (or a part of names, with a *)
python tools/compare_torch.py --list-differences  # every difference, not the first of each kind
"""

from __future__ import annotations

import sys

from compare.main import main

if __name__ == "__main__":
    sys.exit(main(__doc__ or ""))
