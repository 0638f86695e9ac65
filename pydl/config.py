"""What this build can do and what it chose."""

from __future__ import annotations

import os

import numpy as np

try:
    from . import _native
except ImportError as error:
    _here = os.path.dirname(__file__)
    if any(name.startswith("_native.") and name != "_native.pyi" for name in os.listdir(_here)):
        raise  # it is there, and says itself why it cannot be used
    raise ImportError(
        f"pydl has no native module in {_here}: this looks like the source folder. Start Python in "
        "another folder, where the installed pydl is found, or build in place with "
        "tools/dev_build.sh"
    ) from error

__all__ = ["__version__", "num_threads", "set_num_threads", "show_config"]

__version__ = "0.1.0"

num_threads = _native.num_threads


def set_num_threads(n: int) -> None:
    """Use `n` threads from now on. The results do not depend on it, bit for bit.

    Raises:
        ValueError: n < 1.
    """
    if n < 1:
        raise ValueError(f"set_num_threads: expected at least 1, got {n}")
    _native.set_num_threads(n)


def config() -> dict[str, str]:
    """What `show_config` prints."""
    import platform  # costs an import of its own

    forced = " (forced by PYDL_ISA)" if os.environ.get("PYDL_ISA") else ""
    return {
        "pydl": __version__,
        "python": f"{platform.python_version()} on {platform.machine()}",
        "numpy": np.__version__,
        "isa": f"{_native.isa()}{forced}, available: {' '.join(_native.available_isas())}",
        "compiler": _native.compiler(),
        "threads": f"{_native.num_threads()} of {_native.usable_cpus()} usable CPUs",
        "cuda": _native.cuda_status(),
        "path": os.path.dirname(__file__),
    }


def show_config() -> None:
    """Print version, instruction set, threads, and CUDA or why not."""
    for key, value in config().items():
        print(f"{key:8} {value}")


def warn_about_astronomy() -> None:
    """Warn where the unrelated `pydl` of the package index was installed into our folder."""
    here = os.path.dirname(__file__)
    theirs = [
        name
        for name in ("goddard", "photoop", "pydlutils", "pydlspec2d")
        if os.path.isdir(os.path.join(here, name))
    ]
    if theirs:
        import warnings

        warnings.warn(
            f"{here} also holds {', '.join(theirs)}: the astronomy library `pydl` is installed in "
            "the same folder and the two overwrite each other. Uninstall one "
            "(`pip uninstall pydl`), then reinstall pydl-nn.",
            RuntimeWarning,
            stacklevel=3,
        )
