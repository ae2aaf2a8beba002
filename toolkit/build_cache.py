"""What builds need again, kept by what it is made from: folders of packages, and records.

An entry's name is the hash of all that decides its content, so it is never stale. Each entry
has a list of its files with their hashes: one that is damaged is found, and made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import BuildError
from toolkit.host.errors import AgentctlError
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.manifest import File, dump_manifest, parse_manifest
from toolkit.tree import walk

_TREE = "tree"
_WHOLE = "whole"
_KEPT_DAYS = 30


def user_cache() -> Path:
    """Give toolkit's folder in the user's cache: $XDG_CACHE_HOME/toolkit, or ~/.cache/toolkit."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "toolkit"


def key_of(inputs: Mapping[str, str | bytes]) -> str:
    """Give the hash of named inputs; no two different sets of them give the same."""
    digest = hashlib.sha256()
    for name, value in sorted(inputs.items()):
        data = value.encode() if isinstance(value, str) else value
        for part in (name.encode(), data):
            digest.update(b"%d:" % len(part))
            digest.update(part)
    return digest.hexdigest()


@dataclass(frozen=True)
class BuildCache:
    """A cache in the folder `top`; any number of builds may use it at once."""

    top: Path

    def folder(
        self, what: str, inputs: Mapping[str, str | bytes], make: Callable[[Path], None]
    ) -> Path:
        """Give the folder that `make` fills from `inputs`; it is called where none is whole.

        The caller only reads it. Raises what `make` raises.
        """
        entry = self._entry(what, key_of(inputs))
        with _locked(entry):
            if not _is_whole(entry):
                self._make(entry, make)
                self._forget_old(entry)
        return entry / _TREE

    def record(self, what: str, key: str) -> str | None:
        """Give the text that was kept under `key`, unless there is none, or it is damaged."""
        entry = self._entry(what, key)
        try:
            sha256, text = entry.read_text("utf-8").split("\n", 1)
        except (FileNotFoundError, ValueError):
            return None
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            return None
        os.utime(entry)
        return text

    def keep(self, what: str, key: str, text: str) -> None:
        """Keep `text` under `key`."""
        entry = self._entry(what, key)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=entry.parent) as work:
            new = Path(work) / "record"
            new.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", "utf-8")
            new.replace(entry)

    def _entry(self, what: str, key: str) -> Path:
        folder = self.top / "builds"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / f"{what}-{key[:40]}"

    def _make(self, entry: Path, make: Callable[[Path], None]) -> None:
        with tempfile.TemporaryDirectory(prefix=".new-", dir=entry.parent) as work:
            new = Path(work) / "entry"
            (new / _TREE).mkdir(parents=True)
            make(new / _TREE)
            text = dump_manifest(entry.name, "0", None, _files(new / _TREE))
            (new / MANIFEST).write_text(text, "utf-8")
            (new / _WHOLE).write_text(hashlib.sha256(text.encode()).hexdigest(), "ascii")
            if entry.exists():
                entry.rename(Path(work) / "damaged")
            new.rename(entry)

    def _forget_old(self, kept: Path) -> None:
        """Remove what no build has used for a month, so that the cache does not only grow."""
        before = time.time() - _KEPT_DAYS * 86400
        for entry in kept.parent.iterdir():
            with suppress(FileNotFoundError):  # another build forgets too
                if entry != kept and entry.stat().st_mtime < before:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _files(tree: Path) -> Iterator[File]:
    for found in walk(tree):
        file = Path(found.file)
        if file.is_symlink():
            yield File(found.path, 0o777, 0, "", str(file.readlink()))
            continue
        status = file.stat()
        with file.open("rb", buffering=0) as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        mode = 0o755 if status.st_mode & 0o111 else 0o644
        yield File(found.path, mode, status.st_size, sha256)


def _is_whole(entry: Path) -> bool:
    try:
        text = (entry / MANIFEST).read_text("utf-8")
        if (entry / _WHOLE).read_text("ascii") != hashlib.sha256(text.encode()).hexdigest():
            return False
        whole = parse_manifest(text) == tuple(_files(entry / _TREE))
    except (OSError, ValueError, AgentctlError, BuildError):
        return False
    os.utime(entry)
    return whole


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """Let one process at a time look at an entry and make it; the lock ends with the process."""
    lock = entry.with_name(f".lock-{entry.name}")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.utime(lock)
        yield
