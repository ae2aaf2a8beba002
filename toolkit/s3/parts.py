"""How a large file is cut into parts, and what is remembered of one that is under way. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import md5

MIB = 1024 * 1024
_PART = 16 * MIB
_MOST_PARTS = 10_000
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Part:
    """One part: its number, counted from 1, and where it stands in the file, in bytes."""

    number: int
    start: int
    length: int


@dataclass(frozen=True)
class Journal:
    """What is kept on this machine of a multipart upload that is open: enough to go on with it.

    `place` is the store and the key; `headers` what was given when it was opened.
    """

    place: str
    upload_id: str
    sha256: str
    size: int
    part: int
    headers: str

    def fits(self, other: Journal) -> bool:
        """Tell whether the upload of `other` would store just what this one does."""
        return asdict(self) == {**asdict(other), "upload_id": self.upload_id}


def part_size(size: int, least: int = _PART) -> int:
    """Give the length of each part but the last, in whole MiB: R2 wants them to be equal."""
    needed = -(-size // _MOST_PARTS)
    return max(least, -(-needed // MIB) * MIB)


def cut(size: int, length: int) -> Iterator[Part]:
    """Give the parts of a file of `size` bytes, each `length` bytes long but the last."""
    for number, start in enumerate(range(0, size, length), start=1):
        yield Part(number, start, min(length, size - start))


def of_parts(etags: Sequence[str]) -> str | None:
    """Give the ETag of a file that is made of parts with these ETags.

    None where they are no MD5s: a store that encrypts by a key of its own has others.
    """
    bare = [etag.strip('"') for etag in etags]
    if not all(map(_MD5.fullmatch, bare)):
        return None
    every = md5(bytes.fromhex("".join(bare)), usedforsecurity=False)
    return f'"{every.hexdigest()}-{len(bare)}"'


def holds(etag: str, data: bytes | memoryview) -> bool:
    """Tell whether a part with this ETag has the bytes `data`.

    A store that encrypts by a key of its own gives ETags that say nothing: then it is unknown,
    and so no.
    """
    bare = etag.strip('"')
    return bool(_MD5.fullmatch(bare)) and md5(data, usedforsecurity=False).hexdigest() == bare


def dump_journal(journal: Journal) -> bytes:
    """Give the text of the file that holds `journal`."""
    return json.dumps(asdict(journal), sort_keys=True).encode()


def parse_journal(data: bytes) -> Journal | None:
    """Read what `dump_journal` wrote; None where it is something else."""
    try:
        fields: Mapping[str, object] = json.loads(data)
        journal = Journal(**fields)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
    kinds = (str, str, str, int, int, str)
    return journal if all(map(isinstance, asdict(journal).values(), kinds)) else None
