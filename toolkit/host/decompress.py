"""Opens a tar that is compressed with Zstandard, where the host can: by its `zstd` program,
else by the library that Python has from 3.14 on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from toolkit.host.errors import BadRelease
from toolkit.host.release import SYSTEM_PATH

# 2 GiB, the largest window that zstd knows; a delta's is as large as its tar.
_WINDOW_LOG = 31
_CHUNK = 1 << 18


def can_zstd() -> bool:
    """Say whether this host can decompress Zstandard."""
    return _program() is not None or _library() is not None


@contextmanager
def open_zstd(file: Path, *, base: Path | None = None) -> Iterator[IO[bytes]]:
    """Give the content of `file` to read; `base` is what it is a patch of (`--patch-from`).

    Raises BadRelease where it is damaged or of another base, at the latest at the end of the
    `with` block, and where the host can't read it.
    """
    program, library = _program(), _library()
    if program:
        with _by_program(program, file, base) as stream:
            yield stream
    elif library:
        with _by_library(library, file, base) as stream:
            yield stream
    else:
        raise BadRelease(f"nothing on this host can read {file.name}", hint="install zstd")


def _program() -> str | None:
    return shutil.which("zstd", path=SYSTEM_PATH)


def _library() -> Any:
    if sys.version_info >= (3, 14):
        try:
            from compression import zstd  # noqa: PLC0415 - some builds of Python lack it
        except ImportError:
            return None
        return zstd
    return None


@contextmanager
def _by_program(program: str, file: Path, base: Path | None) -> Iterator[IO[bytes]]:
    patch = [f"--long={_WINDOW_LOG}", f"--patch-from={base.absolute()}"] if base else []
    argv = [program, "-d", "-c", "-q", *patch, "--", str(file.absolute())]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd="/"
        )
        if process.stdout is None:
            raise BadRelease(f"{program} could not be read from")
        try:
            with process.stdout as stream:
                yield stream
                # A reader of a tar may stop at its end mark; the program is to end by itself.
                while stream.read(_CHUNK):
                    pass
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
            raise BadRelease(f"{file.name} can't be decompressed: {said or f'exit code {code}'}")


@contextmanager
def _by_library(library: Any, file: Path, base: Path | None) -> Iterator[IO[bytes]]:
    patch: dict[str, Any] = {}
    if base:
        patch["zstd_dict"] = library.ZstdDict(base.read_bytes(), is_raw=True).as_prefix
        patch["options"] = {library.DecompressionParameter.window_log_max: _WINDOW_LOG}
    try:
        with library.open(file, "rb", **patch) as stream:
            yield stream
    except (library.ZstdError, EOFError) as error:
        raise BadRelease(f"{file.name} can't be decompressed: {error}") from error
