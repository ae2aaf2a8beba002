"""Reads a hash-locked requirements file and picks what one interpreter needs from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from toolkit.commands import MACHINE
from toolkit.errors import BuildError

_HASH = "--hash="


@dataclass(frozen=True)
class Pin:
    """One line of a lock: a package of one version, when it is needed, and its hashes."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def line(self) -> str:
        """Give the line for pip, without the marker."""
        return " ".join([f"{self.name}=={self.version}", *(_HASH + hash_ for hash_ in self.hashes)])


def parse_lock(text: str, *, file: str) -> tuple[Pin, ...]:
    """Read a requirements file in which every package has a version and a hash.

    `file` is its name in errors; raises BuildError for any other line.
    """
    lines = text.replace("\\\n", " ").splitlines()
    return tuple(
        _pin(line.strip(), file) for line in lines if line.strip() and line.lstrip()[0] != "#"
    )


def _pin(line: str, file: str) -> Pin:
    text, *hashes = line.split(_HASH)
    try:
        requirement = Requirement(text.strip())
    except InvalidRequirement as error:
        raise _not_locked(line, file) from error
    specifiers = list(requirement.specifier)
    exact = len(specifiers) == 1 and specifiers[0].operator == "=="
    if not exact or specifiers[0].version.endswith(".*") or not hashes:
        raise _not_locked(line, file)
    return Pin(
        canonicalize_name(requirement.name),
        specifiers[0].version,
        requirement.marker,
        tuple(hash_.split()[0] for hash_ in hashes),
    )


def _not_locked(line: str, file: str) -> BuildError:
    return BuildError(
        f"{file} has a line that locks nothing: {line[:80]}",
        why="each package needs one version and its SHA-256 sums",
        hint="write it again with `toolkit lock`",
    )


def select(pins: Iterable[Pin], interpreter: str, platform: str) -> tuple[Pin, ...]:
    """Give what CPython `interpreter` (3.12) needs on `platform`, in any of its patch releases.

    Raises BuildError where two patch releases would need two versions of one package.
    """
    environments = [_environment(interpreter, patch, platform) for patch in ("0", "99")]
    chosen: dict[str, Pin] = {}
    for pin in pins:
        if pin.marker and not any(pin.marker.evaluate(values) for values in environments):
            continue
        if pin.name in chosen:
            raise BuildError(
                f"the lock has two versions of {pin.name} for CPython {interpreter}",
                why=f"{chosen[pin.name].version} and {pin.version} depend on the patch release",
                hint="name one version of it in the source's own requirements",
            )
        chosen[pin.name] = pin
    return tuple(chosen.values())


def _environment(interpreter: str, patch: str, platform: str) -> dict[str, str]:
    """Give the values of all markers of the dependency specifiers' specification."""
    version = f"{interpreter}.{patch}"
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": MACHINE[platform],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": version,
        "python_version": interpreter,
        "sys_platform": "linux",
    }


def requirements_text(pins: Sequence[Pin]) -> str:
    """Give the file for pip."""
    return "".join(f"{pin.line()}\n" for pin in pins)
