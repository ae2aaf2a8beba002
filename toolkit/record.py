"""What a build made, in words: the record for the next build, and the file beside a tarball."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from toolkit.archive import Archive
from toolkit.artifact import Artifact
from toolkit.errors import IntegrityError
from toolkit.host.errors import BadRelease
from toolkit.host.manifest import dump_manifest, parse_manifest
from toolkit.host.tarwriter import Digest

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """A release that was built: its name, what was packed, and its packages as CycloneDX."""

    artifact: Artifact
    archive: Archive
    sbom: str


@dataclass(frozen=True)
class Description:
    """What stands beside a tarball: the tar before compression, and each file's digest by name.

    `epoch` is the time of all files, in seconds since 1970.
    """

    artifact: Artifact
    epoch: int
    tar: Digest
    files: Mapping[str, Digest]


def dump_record(record: Record) -> str:
    """Give the text of a record."""
    artifact, archive = record.artifact, record.archive
    data = {
        "artifact": asdict(artifact),
        "tar": asdict(archive.tar),
        "gzip": asdict(archive.gzip),
        "zstd": asdict(archive.zstd) if archive.zstd else None,
        "sbom": record.sbom,
        "manifest": dump_manifest(artifact.name, artifact.version, None, archive.files),
    }
    return json.dumps(data)


def parse_record(text: str) -> Record:
    """Read the text of a record that this toolkit wrote."""
    data = json.loads(text)
    archive = Archive(
        parse_manifest(data["manifest"]),
        Digest(**data["tar"]),
        Digest(**data["gzip"]),
        Digest(**data["zstd"]) if data["zstd"] else None,
    )
    return Record(Artifact(**data["artifact"]), archive, data["sbom"])


def dump_description(description: Description) -> str:
    """Give the text of NAME-vVERSION[-PLATFORM].release.json."""
    data = {
        "schema": SCHEMA,
        **asdict(description.artifact),
        "epoch": description.epoch,
        "tar": asdict(description.tar),
        "files": {name: asdict(digest) for name, digest in description.files.items()},
    }
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def parse_description(text: str, *, file: str) -> Description:
    """Read it; `file` is its name in errors. Raises IntegrityError where it is none."""
    try:
        data: dict[str, Any] = json.loads(text)
        if data["schema"] != SCHEMA:
            raise ValueError(f"its format is {data['schema']}, not {SCHEMA}")
        return Description(
            Artifact(data["name"], data["version"], data["platform"]),
            int(data["epoch"]),
            Digest(**data["tar"]),
            {name: Digest(**digest) for name, digest in data["files"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, BadRelease) as error:
        raise IntegrityError(
            f"{file} is not the description of a release",
            why=repr(error),
            hint="release it again, and keep what it writes together",
        ) from error
