"""What signed metadata says of a file in the store: the custom data of a TUF target.

`toolkit` writes it and `agentctl` reads it, so the format stands here once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from toolkit.host.errors import BadRelease

SCHEMA = 1
# The field of timestamp.json that says when it was signed, in ISO 8601.
SIGNED_AT = "signed_at"
# The field of an agent's role that holds the moves of its channels.
MOVES = "x-toolkit-moves"
KINDS = ("release", "delta", "sbom", "provenance", "agentctl")
COMPRESSIONS = ("gzip", "zstd")
ALL = 100
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Tar:
    """The tar inside a compressed tarball: its length in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Rollout:
    """How much of a channel a version is for.

    `percent` is 1 to 100 of the hosts; `start` is when it began, in ISO 8601, if that is known.
    """

    percent: int = ALL
    start: str | None = None


@dataclass(frozen=True)
class Target:
    """One file of one version.

    `kind` is one of KINDS; `platform` is None where the file fits every platform; `tar` is what
    a tarball or a delta unpacks to; `yanked` is the reason why nobody should install it any more;
    `source` says for a delta what it starts from.
    """

    kind: str
    name: str
    version: str
    platform: str | None = None
    tar: Tar | None = None
    minimum_agentctl: str = "0.1.0"
    channels: Mapping[str, Rollout] = field(default_factory=dict)
    yanked: str | None = None
    compression: str | None = None
    source: Mapping[str, Any] | None = None

    def to_custom(self) -> dict[str, Any]:
        """Give the custom data as JSON values, without what says nothing."""
        data = {key: value for key, value in asdict(self).items() if key != "source"}
        data["from"] = dict(self.source) if self.source is not None else None
        optional = ("tar", "compression", "from")
        kept = {
            key: value for key, value in data.items() if value is not None or key not in optional
        }
        return {"schema": SCHEMA, **kept}


def parse_custom(data: object) -> Target:
    """Read the custom data of a target.

    Keys that this code does not know are left alone: a newer toolkit may add some.

    Raises BadRelease where it is not of this format, or of a newer schema.
    """
    if not isinstance(data, Mapping):
        raise BadRelease("the metadata of a file in the store lacks its custom data")
    if data.get("schema") != SCHEMA:
        raise BadRelease(
            f"the metadata's format is {data.get('schema')!r}, this program reads {SCHEMA}",
            hint="use a newer version of this program",
        )
    try:
        return _target(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadRelease(f"the metadata of a file in the store is wrong: {error!r}") from error


def _target(data: Mapping[str, Any]) -> Target:
    return Target(
        kind=_text(data["kind"]),
        name=_text(data["name"]),
        version=_text(data["version"]),
        platform=_text_or_none(data["platform"]),
        tar=_tar(data["tar"]) if data.get("tar") is not None else None,
        minimum_agentctl=_text(data["minimum_agentctl"]),
        channels={_text(name): _rollout(value) for name, value in data["channels"].items()},
        yanked=_text_or_none(data["yanked"]),
        compression=_text_or_none(data.get("compression")),
        source=dict(data["from"]) if data.get("from") is not None else None,
    )


def _tar(data: Mapping[str, Any]) -> Tar:
    size, sha256 = data["size"], _text(data["sha256"])
    if not _whole(size) or size < 0 or not _SHA256.fullmatch(sha256):
        raise ValueError(f"no size and SHA-256 of a tar: {data!r}")
    return Tar(size, sha256)


def _rollout(data: Mapping[str, Any]) -> Rollout:
    percent = data["percent"]
    if not _whole(percent) or not 1 <= percent <= ALL:
        raise ValueError(f"no percentage from 1 to {ALL}: {percent!r}")
    return Rollout(percent, _text_or_none(data.get("start")))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not text: {value!r}")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
