"""A file read as a stream of bytes: plain, gzip or xz, told apart by content, not by name.

It never produces more than the caller asks for, so a compression bomb stays a small file.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import IO, Any

from ..errors import FormatError

CHUNK = 1 << 16  # bytes of compressed input held at a time
_XZ_MEMORY = 1 << 28  # what an xz dictionary may cost: the largest preset needs 65 MiB
_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7": "xz"}


class ByteStream:
    """Reads a file's content, decompressed where it is compressed.

    Args:
        path: The file. Its first bytes decide how it is read.
        limit: The most bytes of content it may have, None for no limit.

    Raises:
        FormatError: corrupt or truncated compressed data, a wrong checksum, garbage after the
            end, or more content than `limit` (raised as soon as it shows, in any method).
    """

    def __init__(self, path: str | os.PathLike[str], limit: int | None = None) -> None:
        self.path = os.fspath(path)
        self.limit = limit
        self.count = 0
        self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115 (closed by __exit__)
        magic = self._file.read(2)
        self._file.seek(0)
        self.kind = _MAGIC.get(magic, "plain")
        self._decoder: Any = None
        self._input = b""
        self._members = 0  # gzip and xz files may be several, one after the other

    def __enter__(self) -> ByteStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def file_size(self) -> int:
        """Bytes of the file itself, as it lies on the disk."""
        return os.fstat(self._file.fileno()).st_size

    def read(self, n: int) -> bytes:
        """Reads up to `n` bytes of content, fewer only at its end."""
        parts = []
        while n > 0:
            part = self._some(min(n, 1 << 20))
            if not part:
                break
            n -= len(part)
            self.count += len(part)
            if self.limit is not None and self.count > self.limit:
                raise FormatError(self.path, f"more than {self.limit} bytes of content")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _some(self, n: int) -> bytes:
        """Between 1 and `n` bytes, none at the end."""
        if self.kind == "plain":
            return self._file.read(n)
        while True:
            if not self._input:
                self._input = self._file.read(CHUNK)
            if not self._input and self._decoder is None:
                return b""
            # NOTE: also with no input left, because a decoder may hold back finished output.
            at_end = not self._input
            out = self._decode(n)
            if out:
                return out
            if at_end and self._decoder is not None:
                raise FormatError(self.path, f"truncated: the {self.kind} data have no end")

    def _decode(self, n: int) -> bytes:
        """Runs the decoder once; a finished member makes room for the next one."""
        try:
            if self._decoder is None:
                self._decoder = _new_decoder(self.kind)
            out: bytes = self._decoder.decompress(self._input, n)
        except Exception as e:  # zlib.error, lzma.LZMAError, MemoryError
            what = "garbage after" if self._members else "corrupt"
            raise FormatError(self.path, f"{what} {self.kind} data: {e}") from None
        if self._decoder.eof:
            self._input, self._decoder = self._decoder.unused_data, None
            self._members += 1
        else:
            self._input = getattr(self._decoder, "unconsumed_tail", b"")
        return out


def _new_decoder(kind: str) -> Any:
    if kind == "gzip":
        import zlib

        return zlib.decompressobj(wbits=31)  # header, checksum and length checked by zlib
    import lzma

    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
