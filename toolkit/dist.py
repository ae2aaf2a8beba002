"""Writes a release's files into a folder: each whole, and none beside a wrong checksum."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.artifact import checksum_file, checksum_line
from toolkit.host.tarwriter import Digest


@contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """Give a file beside `target` to write to, readable by all; it is gone at the end."""
    descriptor, name = tempfile.mkstemp(".part", f".{target.name}.", target.parent)
    os.close(descriptor)
    part = Path(name)
    part.chmod(0o644)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def publish(whole: Path, name: str, sha256: str) -> Iterator[Path]:
    """Give the file `whole` the name `name` beside it, and a checksum file; gives both paths."""
    target = whole.with_name(name)
    checksum = whole.with_name(checksum_file(name))
    text = checksum_line(sha256, name)
    if not (_same_file(whole, target) and _says(checksum, text)):
        withdraw(target)
        with part_of(target) as twin:
            twin.unlink()
            _link_or_copy(whole, twin)
            twin.replace(target)
        write_text(checksum, text)
    yield target
    yield checksum


def withdraw(target: Path) -> None:
    """Take away the checksum of a file that is about to be replaced."""
    target.with_name(checksum_file(target.name)).unlink(missing_ok=True)


def write_text(target: Path, text: str) -> Path:
    """Write a text as a whole; gives its path."""
    with part_of(target) as part:
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    return target


def digest_of(file: Path) -> Digest | None:
    """Read a file and give its digest, or None where it is not there."""
    try:
        with file.open("rb", buffering=0) as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            return Digest(os.fstat(content.fileno()).st_size, sha256)
    except FileNotFoundError:
        return None


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        shutil.copyfile(source, target)


def _same_file(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _says(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text("utf-8", errors="replace") == text
