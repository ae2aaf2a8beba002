"""Zstandard on several cores, with the same bytes however many there are.

The library cuts its input into jobs. With a fixed job size, and at least one thread of its
own, its output depends on neither the number of threads nor how the input arrives.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from zstandard import ZstdCompressionParameters, ZstdCompressor

# Chosen by measurement: docs/adr/0004-zstandard.md.
LEVEL = 9
JOB = 1 << 23
# 32 MiB are what a host needs of memory to decompress.
WINDOW_LOG = 25

_MOST_THREADS = 8


class BlockZstd:
    """A writer that hands compressed bytes to `write`, in order, from the caller's thread.

    `threads` does not change the output. Used as a context manager; the frame is complete
    once the `with` block has ended without an exception.
    """

    def __init__(self, write: Callable[[bytes], object], *, threads: int | None = None) -> None:
        self._write = write
        parameters = ZstdCompressionParameters.from_level(
            LEVEL,
            window_log=WINDOW_LOG,
            enable_ldm=True,
            job_size=JOB,
            threads=threads or min(os.cpu_count() or 1, _MOST_THREADS),
            write_checksum=True,
        )
        self._stream = ZstdCompressor(compression_params=parameters).compressobj()

    def __enter__(self) -> BlockZstd:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._write(self._stream.flush())

    def write(self, data: bytes | memoryview) -> None:
        """Take more input."""
        if compressed := self._stream.compress(data):
            self._write(compressed)
