"""The list of a release's files: manifest.json, the last member of the tarball."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.host.errors import BadRelease

SCHEMA = 1
PATH = "manifest.json"


@dataclass(frozen=True)
class File:
    """A file: `path` relative to the release, `mode` as in chmod, `size` in bytes.

    A symbolic link has a `link` (its target) and neither size nor hash.
    """

    path: str
    mode: int
    size: int
    sha256: str
    link: str = ""


def dump_manifest(name: str, version: str, platform: str | None, files: Iterable[File]) -> str:
    """Give the text of manifest.json, one line a file so that two of them diff well."""
    head = {"schema": SCHEMA, "name": name, "version": version, "platform": platform}
    rows = ",\n".join(f"    {json.dumps(_row(file))}" for file in files)
    return json.dumps(head)[:-1] + f',\n  "files": [\n{rows}\n  ]\n}}\n'


def _row(file: File) -> dict[str, object]:
    if file.link:
        return {"path": file.path, "link": file.link}
    return {
        "path": file.path,
        "mode": f"{file.mode:04o}",
        "size": file.size,
        "sha256": file.sha256,
    }


def parse_manifest(text: str) -> tuple[File, ...]:
    """Read the text of a manifest.json; raises BadRelease where it is not one."""
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise BadRelease(f"the manifest's format is {data['schema']}, not {SCHEMA}")
        return tuple(_file(row) for row in data["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadRelease(f"{PATH} is not a list of files: {error!r}") from error


def _file(row: dict[str, str]) -> File:
    if "link" in row:
        return File(row["path"], 0o777, 0, "", row["link"])
    return File(row["path"], int(row["mode"], 8), int(row["size"]), row["sha256"])
