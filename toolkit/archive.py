"""Turns entries into a tarball whose bytes depend on nothing but the entries.

Sorted by path; modes 0644 or 0755; user and group 0 without names; one fixed time; PAX
headers only where a path needs them; gzip without name or time. Each file is read once: it
is hashed for the manifest and compressed on the way to the sinks.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from toolkit.blockgzip import BlockGzip
from toolkit.blockzstd import BlockZstd
from toolkit.errors import BuildError
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.manifest import File
from toolkit.host.tarwriter import DEFAULT_EPOCH, Content, Digest, Hashing, TarWriter

__all__ = ["DEFAULT_EPOCH", "Archive", "Entry", "Sinks", "build_archive", "text_entry"]

_MOST_LINKS = 40


@dataclass(frozen=True)
class Entry:
    """A file to pack: `path` in the tarball, `mode` as in chmod, `size` in bytes.

    `open` gives its content from the beginning. A symbolic link has a `link` (its target)
    in place of content. `origin` says in errors where it came from.
    """

    path: str
    mode: int
    size: int
    open: Callable[[], Content]
    link: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Sinks:
    """Where a tarball is written to: as .tar.gz, and as .tar.zst where one is wanted."""

    gzip: BinaryIO
    zstd: BinaryIO | None = None


@dataclass(frozen=True)
class Archive:
    """A tarball that was written: its files, the tar itself, and the two forms of it."""

    files: tuple[File, ...]
    tar: Digest
    gzip: Digest
    zstd: Digest | None


def text_entry(path: str, text: str, mode: int = 0o644, *, origin: str = "") -> Entry:
    """Give an entry for a text, in UTF-8."""
    data = text.encode()
    return Entry(path, mode, len(data), lambda: BytesIO(data), origin=origin)


def build_archive(
    entries: Iterable[Entry],
    sinks: Sinks,
    *,
    epoch: int,
    manifest: Callable[[Sequence[File]], str],
    advance: Callable[[int], object] = lambda _: None,
) -> Archive:
    """Write a tarball of `entries` to `sinks`, with manifest.json as its last member.

    `epoch` is the time of every member, in seconds since 1970; `manifest` gives the text of
    manifest.json for the files that were packed; `advance` is told of bytes as they go in.

    Raises BuildError for two entries of one path, a path or a link that leaves the tree,
    and a file whose size changed while it was packed.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    check_entries(ordered)
    gzip_output = Hashing(sinks.gzip.write)
    zstd_output = Hashing(sinks.zstd.write) if sinks.zstd else None
    with ExitStack() as stack:
        gzip = stack.enter_context(BlockGzip(gzip_output.write))
        zstd = stack.enter_context(BlockZstd(zstd_output.write)) if zstd_output else None
        output = Hashing(_both(gzip, zstd) if zstd else gzip.write)
        tar = TarWriter(output.write, epoch)
        files = tuple(_add(tar, entry, advance) for entry in ordered)
        _add(tar, text_entry(MANIFEST, manifest(files)), advance)
        tar.close()
    return Archive(
        files,
        output.digest(),
        gzip_output.digest(),
        zstd_output.digest() if zstd_output else None,
    )


def _both(gzip: BlockGzip, zstd: BlockZstd) -> Callable[[bytes | memoryview], object]:
    def write(data: bytes | memoryview) -> None:
        gzip.write(data)
        zstd.write(data)

    return write


def _add(tar: TarWriter, entry: Entry, advance: Callable[[int], object]) -> File:
    if entry.link:
        tar.link(entry.path, entry.link)
        return File(entry.path, 0o777, 0, "", entry.link)
    mode = 0o755 if entry.mode & 0o111 else 0o644
    digest = hashlib.sha256()

    def seen(chunk: memoryview) -> None:
        digest.update(chunk)
        advance(len(chunk))

    with entry.open() as source:
        left = tar.file(entry.path, mode, entry.size, source, seen)
    if left:
        raise BuildError(
            f"{entry.path} changed while it was packed",
            why=f"it was to have {entry.size} bytes and had {entry.size - left}",
            hint="build again when nothing writes to the source",
        )
    return File(entry.path, mode, entry.size, digest.hexdigest())


def check_entries(entries: Iterable[Entry]) -> None:
    """Raise BuildError where entries collide, or where one would lie or point outside."""
    seen: dict[str, Entry] = {}
    for entry in entries:
        _check_path(entry)
        if entry.path in seen or entry.path == MANIFEST:
            raise _collision(entry.path, seen.get(entry.path), entry)
        seen[entry.path] = entry
    links = {path: entry.link for path, entry in seen.items() if entry.link}
    for path, entry in seen.items():
        for parent in _parents(path):
            if parent in seen:
                raise _collision(parent, seen[parent], entry)
        if entry.link and not _stays_inside(path, links):
            raise BuildError(
                f"the link {path} -> {entry.link} leads out of the release",
                why="a host has nothing there",
                hint="leave it out with build.exclude, or put a copy in its place",
            )


def _check_path(entry: Entry) -> None:
    path = entry.path
    clean = posixpath.normpath(path)
    if path != clean or path.startswith(("/", "../")) or path in {".", ".."} or "\0" in path:
        raise BuildError(f"{path!r} is no path inside a release")
    try:
        (path + entry.link).encode()
    except UnicodeEncodeError as error:
        raise BuildError(
            f"the name {path!r} is not UTF-8", hint="rename the file, or leave it out"
        ) from error


def _collision(path: str, first: Entry | None, second: Entry) -> BuildError:
    origins = " and from ".join(
        origin or "toolkit" for origin in (first.origin if first else "", second.origin)
    )
    return BuildError(
        f"{path} would stand in the release twice",
        why=f"it comes from {origins}",
        hint="rename it, or leave it out with build.exclude",
    )


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count])


def _stays_inside(path: str, links: Mapping[str, str]) -> bool:
    """Follow the link at `path` as a kernel would, through other links of the release."""
    at: list[str] = []
    todo = path.split("/")[::-1]
    followed = 0
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not at:
                return False
            at.pop()
            continue
        target = links.get("/".join([*at, part]))
        if target is None:
            at.append(part)
            continue
        followed += 1
        if target.startswith("/") or followed > _MOST_LINKS:
            return False
        todo += target.split("/")[::-1]
    return True
