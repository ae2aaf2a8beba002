"""Wheels whose files are not compressed, so that the tarball around them can be, as a whole.

Compressed inside, they hide from the tarball's compression what they share: the same library for
four interpreters, and all that a next version leaves as it is. What a wheel's RECORD says of its
files, and any signature of that, stays true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo


def store(wheels: Iterable[Path], folder: Path) -> Iterator[Path]:
    """Write each wheel into `folder` again, under its name and uncompressed; gives their paths."""
    folder.mkdir(exist_ok=True)
    # zlib lets other threads run while it decompresses.
    with ThreadPoolExecutor() as pool:
        yield from pool.map(lambda wheel: _store(wheel, folder / wheel.name), wheels)


def _store(wheel: Path, target: Path) -> Path:
    """The same wheel gives the same bytes: order, dates and modes are its own."""
    with ZipFile(wheel) as source, ZipFile(target, "w", ZIP_STORED) as stored:
        for member in source.infolist():
            info = ZipInfo(member.filename, member.date_time)
            info.create_system = member.create_system
            info.external_attr = member.external_attr
            stored.writestr(info, source.read(member))
    return target
