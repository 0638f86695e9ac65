"""Where the files of a dataset come from: the places looked at, and the download.

Nothing here knows what the files mean; `datasets` and `cifar` do.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import FormatError
from ..io.files import sync_folder
from .progress import Progress
from .stream import ByteStream

SYSTEM_FOLDER = Path("/usr/share/datasets")
TIMEOUT = 30.0  # seconds without a single byte
ATTEMPTS = 3  # consecutive failures without progress before the next mirror is tried
PAUSE = 1.0  # seconds before another attempt at the same mirror
MOST_REQUESTS = 50  # to one mirror for one file, however little each brings
_BLOCK = 1 << 16


class DatasetNotFound(FileNotFoundError):
    """A dataset is in none of the places; the message says which, and what to do."""


class DownloadError(OSError):
    """No mirror gave the file; the message has each one's reason."""


@dataclass(frozen=True)
class Place:
    """A folder where files of a dataset may lie, and who named it."""

    folder: Path
    origin: str  # "root", "PYDL_DATA", "system" or "cache"


@dataclass(frozen=True)
class RemoteFile:
    """A file on public mirrors.

    Args:
        name: The name it gets in the cache.
        urls: Where it is to be had, tried in this order.
        limit: The most bytes it may have, as it is sent.
        sha256: Hash of the file as it is sent.
        content_sha256: Hash of the file decompressed, for files whose mirrors compress
            differently; one of the two is given.
        content_limit: The most bytes it may have decompressed.
    """

    name: str
    urls: tuple[str, ...]
    limit: int
    sha256: str = ""
    content_sha256: str = ""
    content_limit: int = 0


def cache_folder() -> Path:
    """Returns the user's cache: `PYDL_CACHE`, or `pydl` in the system's cache folder.

    That is ``$XDG_CACHE_HOME/pydl`` or ``~/.cache/pydl``; ``~/Library/Caches/pydl`` on macOS
    and ``%LOCALAPPDATA%/pydl`` on Windows.
    """
    own = os.environ.get("PYDL_CACHE")
    if own:
        return Path(own).expanduser()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the XDG specification: relative paths are to be ignored
        return Path(xdg) / "pydl"
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "pydl"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home)) / "pydl"
    return home / ".cache" / "pydl"


def places(
    names: tuple[str, ...], root: str | os.PathLike[str] | None, flat: bool = True
) -> list[Place]:
    """Lists the folders to look into, in order.

    Args:
        names: Folder names of the dataset, its own first.
        root: An explicit folder: then no other place counts.
        flat: Whether files may also lie directly in `root` or `PYDL_DATA`.
    """

    def within(folder: Path, origin: str) -> list[Place]:
        own = [Place(folder / name, origin) for name in names]
        return [*own, Place(folder, origin)] if flat else own

    if root is not None:
        return within(Path(root).expanduser(), "root")
    data = os.environ.get("PYDL_DATA")
    found = within(Path(data).expanduser(), "PYDL_DATA") if data else []
    found += [Place(SYSTEM_FOLDER / name, "system") for name in names]
    return [*found, Place(cache_folder() / names[0], "cache")]


def verify(path: Path, remote: RemoteFile) -> None:
    """Compares a file with its published hash.

    Raises:
        FormatError: they differ.
    """
    if remote.sha256:
        with open(path, "rb") as file:
            got, want = _sha256(file), remote.sha256
    else:
        with ByteStream(path, limit=remote.content_limit) as stream:
            got, want = _sha256(stream), remote.content_sha256
    if got != want:
        raise FormatError(path, f"SHA-256 is {got}, expected {want}")


def file_sha256(path: Path) -> str:
    """Hashes a file as it lies on the disk."""
    with open(path, "rb") as file:
        return _sha256(file)


def download(remote: RemoteFile, folder: Path) -> Path:
    """Fetches a file into `folder`, unless a good copy is there already.

    What has arrived is kept in ``<name>.part`` and continued by the next call, also after
    Ctrl-C or a crash. The file gets its name only when its hash is right. A second process
    that wants the same file waits for the first.

    Returns:
        The path of the file.

    Raises:
        DownloadError: no mirror gave the file.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / remote.name
    part = folder / f"{remote.name}.part"
    reasons = []
    with _locked(part) as file:
        if _is_good(target, remote):
            _remove(file, part)
            return target
        for url in remote.urls:
            reason = _from_mirror(url, remote, file, part)
            if reason is None:
                _close_on_windows(file)
                os.replace(part, target)
                sync_folder(folder)
                return target
            reasons.append(f"{url}: {reason}")
        if not os.fstat(file.fileno()).st_size:
            _remove(file, part)
    raise DownloadError(f"{remote.name} could not be downloaded:\n  " + "\n  ".join(reasons))


def _is_good(path: Path, remote: RemoteFile) -> bool:
    try:
        verify(path, remote)
    except (FileNotFoundError, FormatError):
        return False
    return True


def _remove(file: IO[bytes], part: Path) -> None:
    _close_on_windows(file)
    part.unlink()


def _close_on_windows(file: IO[bytes]) -> None:
    """Windows renames and removes no open file; elsewhere it stays open, for its lock."""
    if os.name == "nt":
        file.close()


def _sha256(source: IO[bytes] | ByteStream) -> str:
    import hashlib

    digest = hashlib.sha256()
    while block := source.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Opens the partial file, alone: another process that has it open is waited for."""
    while True:
        file = open(part, "a+b")  # noqa: SIM115 (closed below)
        try:
            _lock(file)
            # The one before us may have renamed or removed the file we have just locked.
            if part.exists() and os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
                yield file
                return
        finally:
            file.close()


def _lock(file: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two downloads at once are merely wasteful there
        return
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)


def _from_mirror(url: str, remote: RemoteFile, file: IO[bytes], part: Path) -> str | None:
    """Completes the partial file from one mirror; returns why that failed, None if it did not."""
    resumed = os.fstat(file.fileno()).st_size > 0
    failures = 0
    reason: str | None = None
    for _ in range(MOST_REQUESTS):
        before = os.fstat(file.fileno()).st_size
        reason, retry = _transfer(url, remote, file)
        if reason is None:
            try:
                verify(part, remote)
                return None
            except FormatError as e:
                file.truncate(0)
                if not resumed:
                    return e.reason
            # What was there before came from elsewhere, perhaps: once more, from the start.
            resumed = False
            continue
        failures = 0 if os.fstat(file.fileno()).st_size > before else failures + 1
        if not retry or failures >= ATTEMPTS:
            break
        time.sleep(PAUSE)
    return reason


def _transfer(url: str, remote: RemoteFile, file: IO[bytes]) -> tuple[str | None, bool]:
    """One request that continues the partial file.

    Returns:
        None or what went wrong, and whether it makes sense to try again.
    """
    import http.client
    import urllib.error
    import urllib.request

    if not url.startswith(("https://", "http://")):
        return "neither http nor https", False
    have = os.fstat(file.fileno()).st_size
    headers = {"User-Agent": "pydl", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as e:
        e.close()
        if e.code == 416 and have:  # nothing is missing any more: the hash will tell
            return None, False
        return f"HTTP {e.code} {e.reason}", e.code in (408, 429) or e.code >= 500
    except (OSError, http.client.HTTPException, ValueError) as e:
        return f"{getattr(e, 'reason', None) or e or type(e).__name__}", True
    with response:
        if response.status == 206 and not _continues(response, have):
            file.truncate(0)
            return "the server sent another part than was asked for", True
        if response.status != 206:
            file.truncate(0)
        return _receive(response, remote, file)


def _continues(response: Any, have: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _receive(response: Any, remote: RemoteFile, file: IO[bytes]) -> tuple[str | None, bool]:
    """Appends the body of a response to the partial file (see `_transfer`)."""
    import http.client

    length = response.headers.get("Content-Length", "")
    have = os.fstat(file.fileno()).st_size
    known = length.isascii() and length.isdigit() and len(length) < 20
    total = have + int(length) if known else None
    if total is not None and total > remote.limit:
        return f"{total} bytes, more than the {remote.limit} expected", False
    with Progress(f"download {remote.name}", total, done=have) as bar:
        while True:
            try:
                # read1: what has arrived is kept, even if the connection breaks right after.
                block = response.read1(_BLOCK)
            except (http.client.HTTPException, OSError) as e:
                file.flush()
                return f"connection lost after {have} bytes: {e}", True
            if not block:
                break
            have += len(block)
            if have > remote.limit:
                file.truncate(0)
                return f"more than the {remote.limit} bytes expected", False
            file.write(block)
            bar.update(len(block))
    file.flush()
    os.fsync(file.fileno())
    if total is not None and have < total:
        return f"connection lost after {have} of {total} bytes", True
    return None, False
