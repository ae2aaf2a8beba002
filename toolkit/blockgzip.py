"""Gzip on several cores, with the same bytes however many there are.

The input is cut into blocks of one fixed size. Each block is compressed by a compressor of
its own, primed with the 32 KiB before it, and ended by a sync flush, so that the blocks put
together are one deflate stream and one gzip member (RFC 1951, RFC 1952; pigz works alike).
A compressor is never used twice: zlib-ng's output depends on what it did before a reset.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from zlib_ng import zlib_ng

# Chosen by measurement: docs/adr/0002-compression.md.
LEVEL = 5
BLOCK = 1 << 20
WINDOW = 1 << 15

# More find nothing to do, since one thread has to read and hash for them.
_MOST_THREADS = 8
_RAW_DEFLATE = -15
_MEMORY_LEVEL = 8
# Deflate; no name, no time, no extra flags; written on Unix.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
# A last, empty block of fixed codes.
_LAST_BLOCK = b"\x03\x00"


class BlockGzip:
    """A writer that hands compressed bytes to `write`, in order, from the caller's thread.

    `threads` bounds the work that is done at once, and with it the memory: a few blocks for
    each thread. It does not change the output. Used as a context manager; the member is
    complete once the `with` block has ended without an exception.
    """

    def __init__(self, write: Callable[[bytes], object], *, threads: int | None = None) -> None:
        self._write = write
        workers = threads or min(os.cpu_count() or 1, _MOST_THREADS)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="gzip")
        self._pending: deque[tuple[Future[bytes], bytearray]] = deque()
        self._most_pending = 2 * workers + 2
        # Blocks are used again, since fresh memory of this size costs page faults each time.
        self._free: list[bytearray] = []
        self._block = bytearray(BLOCK)
        self._filled = 0
        self._before = b""
        self._crc = 0
        self._size = 0

    def __enter__(self) -> BlockGzip:
        self._write(_HEADER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def write(self, data: bytes | memoryview) -> None:
        """Take more input."""
        room = BLOCK - self._filled
        while len(data) >= room:
            self._take(data[:room])
            self._submit()
            data, room = data[room:], BLOCK
        self._take(data)

    def _take(self, data: bytes | memoryview) -> None:
        end = self._filled + len(data)
        self._block[self._filled : end] = data
        self._filled = end

    def _submit(self) -> None:
        block = memoryview(self._block)[: self._filled]
        self._pending.append((self._pool.submit(_compress, block, self._before), self._block))
        self._before = bytes(block[-WINDOW:])
        self._size += len(block)
        self._crc = zlib_ng.crc32(block, self._crc)
        while len(self._pending) > self._most_pending or (
            self._pending and self._pending[0][0].done()
        ):
            self._collect()
        self._block = self._free.pop() if self._free else bytearray(BLOCK)
        self._filled = 0

    def _collect(self) -> None:
        compressed, block = self._pending.popleft()
        self._write(compressed.result())
        self._free.append(block)

    def _finish(self) -> None:
        if self._filled:
            self._submit()
        while self._pending:
            self._collect()
        self._write(_LAST_BLOCK + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))


def _compress(block: memoryview, before: bytes) -> bytes:
    compressor = zlib_ng.compressobj(
        LEVEL, zlib_ng.DEFLATED, _RAW_DEFLATE, _MEMORY_LEVEL, zlib_ng.Z_DEFAULT_STRATEGY, before
    )
    return compressor.compress(block) + compressor.flush(zlib_ng.Z_SYNC_FLUSH)
