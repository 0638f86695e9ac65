"""One way to write a file: all of it, or not at all, also when the power fails.

Everything in pydl that replaces a file (weights, checkpoints, caches, logs) goes through
``atomic_write``. It is no lock: of two writers, the last one wins with a whole file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import IO, Any

# Filesystems on which a directory cannot be opened or synced answer with one of these.
_NO_DIRECTORY_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EISDIR)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a temporary file that takes the place of `path` when the block ends well.

    The temporary file lies in the same folder, is flushed and synced to the disk, and is
    then renamed; on any error, Ctrl-C included, it is removed and `path` is as before. The
    permissions of an old file are kept, a new one gets the usual ones (0666 less the umask).
    Where `path` is a symbolic link, the file it points to is replaced and the link stays.

    Args:
        path: The file to write.
        mode: ``"wb"`` for bytes or ``"w"`` for text in UTF-8.

    Yields:
        The open file.

    Raises:
        ValueError: another mode, or `path` is something else than a regular file.
        OSError: whatever the file system says (disk full, no permission, no such folder).
    """
    if mode not in ("wb", "w"):
        raise ValueError(f'atomic_write: mode must be "wb" or "w", got {mode!r}')
    target = os.path.realpath(path)
    permissions = _permissions(target)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{os.getpid()}.{os.urandom(6).hex()}.tmp")
    try:
        with _create(temporary, mode, permissions) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Makes renames within `folder` durable, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    try:
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as e:
        if e.errno not in _NO_DIRECTORY_SYNC:
            raise


def _permissions(target: str) -> int | None:
    """The permission bits of an existing file, None where there is none yet."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"atomic_write: {target} is not a regular file")
    return stat.S_IMODE(status.st_mode)


def _create(temporary: str, mode: str, permissions: int | None) -> IO[Any]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # NOTE: tempfile would leave mode 0600; open() lets the kernel apply the umask instead.
    fd = os.open(temporary, flags, 0o666 if permissions is None else permissions)
    try:
        if permissions is not None and hasattr(os, "fchmod"):
            os.fchmod(fd, permissions)
        return os.fdopen(fd, mode, encoding=None if mode == "wb" else "utf-8")
    except BaseException:
        os.close(fd)
        raise
