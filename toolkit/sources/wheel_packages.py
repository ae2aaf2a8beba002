"""What wheels say of themselves, for the list of a release's packages."""

from __future__ import annotations

import email.parser
import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from toolkit.requirements import Pin
from toolkit.sbom import Package, pypi_package

_LONGEST_NAME = 80


def packages_of(
    needs: Mapping[str, Sequence[Pin]], wheels: Mapping[str, Sequence[Path]]
) -> Iterator[Package]:
    """Give the packages that interpreters need, each with the hashes of its wheels.

    Both are by interpreter (3.12); the wheels are as they were fetched.
    """
    files: dict[tuple[str, str], set[Path]] = {}
    for wheel in (wheel for found in wheels.values() for wheel in found):
        name, number, _, _ = parse_wheel_filename(wheel.name)
        files.setdefault((name, str(number)), set()).add(wheel)
    for pin in {(pin.name, pin.version): pin for n in needs.values() for pin in n}.values():
        packed = sorted(files.get((pin.name, str(Version(pin.version))), ()))
        hashes = {_sha256(wheel) for wheel in packed}
        yield pypi_package(pin.name, pin.version, hashes, _license(packed[0]) if packed else "")


def _sha256(wheel: Path) -> str:
    with wheel.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _license(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        fields = email.parser.BytesHeaderParser().parsebytes(archive.read(name))
    given = str(fields.get("License-Expression") or fields.get("License") or "")
    # Some put the whole text of the license here.
    return given if len(given) <= _LONGEST_NAME and given.isprintable() else ""
