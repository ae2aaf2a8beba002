"""The form of a bundle: a tar with all that a host needs to install one version offline.

Its first member says what the others are. That finds damage early, and says which; what a host
believes is proven by signatures or by pinned hashes, as for files of a store.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from toolkit.host.errors import BadRelease

CONTENTS = "bundle.json"
SCHEMA = 1


@dataclass(frozen=True)
class Member:
    """A file of the bundle, named as in the store: its length in bytes, and its SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """What a bundle is: a version of an agent for `platforms` ("any" fits every one).

    `until` is when its signed metadata runs out (ISO 8601), None where there is none.
    """

    name: str
    version: str
    platforms: tuple[str, ...]
    until: str | None
    files: tuple[Member, ...]

    def to_json(self) -> str:
        """Give the text of the first member."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def parse_contents(data: bytes) -> Contents:
    """Read the first member; raises BadRelease."""
    try:
        found = json.loads(data)
        if found["schema"] != SCHEMA:
            raise BadRelease(
                f"this bundle is of form {found['schema']!r}, and this agentctl reads {SCHEMA}",
                hint="use the install script that is in the bundle",
            )
        return Contents(
            _text(found["name"]),
            _text(found["version"]),
            tuple(_text(platform) for platform in found["platforms"]),
            None if found["until"] is None else _text(found["until"]),
            tuple(_member(each) for each in found["files"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRelease(
            f"the bundle's {CONTENTS} can't be read: {error!r}", hint="copy the bundle again"
        ) from error


def _member(found: Any) -> Member:
    size = found["size"]
    if not isinstance(size, int) or size < 0:
        raise TypeError(f"{size!r} is no size")
    return Member(_text(found["path"]), size, _text(found["sha256"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
