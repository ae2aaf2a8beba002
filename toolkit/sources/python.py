"""Gathers an agent in Python: the wheels that each CPython needs, and their lists.

`wheels/` holds all wheels, uncompressed inside; `wheels/py3.12.txt` names those that CPython 3.12
installs.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from toolkit import lock_files
from toolkit.archive import Entry, text_entry
from toolkit.commands import MACHINE, pip_download
from toolkit.errors import BuildError
from toolkit.host.release import WHEELS
from toolkit.process import CommandFailedError, run
from toolkit.requirements import Pin, parse_lock, requirements_text, select
from toolkit.sources.folder import build_copy
from toolkit.sources.own_wheels import PURE, build_wheels
from toolkit.sources.stored_wheels import store
from toolkit.sources.wheel_packages import packages_of
from toolkit.spec import PYPI_SOURCE, PythonRuntime
from toolkit.tree import Job, Tree, entry

# Changes with what `_download` does, so that what an older toolkit kept is not taken.
_RECIPE = "1"
_NO_WHEEL = re.compile(r"No matching distribution found for ([\w.-]+)==([^\s;]+)")


@dataclass(frozen=True)
class _Project:
    """What an agent needs (`pins`), and for a folder `wheels` that were built and other `files`."""

    pins: Sequence[Pin]
    wheels: tuple[Path, ...] = ()
    files: tuple[Entry, ...] = ()


def gather(job: Job, runtime: PythonRuntime) -> Tree:
    """Give the tree of a Python agent from the package index or from a folder."""
    project = _Project(_package_pins(job)) if PYPI_SOURCE.match(job.spec.source) else _folder(job)
    pins, built, copied = project.pins, project.wheels, project.files
    needs = {version: select(pins, version, job.platform) for version in runtime.versions}
    wheels = {version: _wheels(folder) for version, folder in _fetch(job, needs)}
    packages = tuple(packages_of(needs, wheels))
    wheels = {version: [*found, *built] for version, found in wheels.items()}
    lists = [_list(version, found) for version, found in wheels.items()]
    files = {file.name: file for found in wheels.values() for file in found}
    stored = store(files.values(), job.work / "stored")
    packed = [entry(file, f"{WHEELS}/{file.name}", "the wheels") for file in stored]
    own = (*copied, *(member for wheel in built for member in _members(wheel)))
    portable = all(name.endswith(PURE) for name in files) and _same_everywhere(pins, needs)
    return Tree((*copied, *packed, *lists), own, portable, packages)


def _package_pins(job: Job) -> Sequence[Pin]:
    file = lock_files.find_lock(
        job.project, job.spec.name, lock_files.PYTHON_LOCK, agent=job.spec.name
    )
    pins = _read_lock(file)
    wanted = Requirement(job.spec.source.removeprefix("pypi:"))
    locked = {pin.name: pin.version for pin in pins}.get(canonicalize_name(wanted.name))
    if locked is None or not wanted.specifier.contains(Version(locked), prereleases=True):
        raise BuildError(
            f"the lock file of {job.spec.name} is for {locked or 'another package'}",
            why=f"release/{job.spec.name}.toml asks for {wanted}",
            hint=f"lock it again with `toolkit lock {job.spec.name}`",
        )
    return pins


def _folder(job: Job) -> _Project:
    """Build the wheel of a folder; its other files are packed only where patterns ask for it."""
    copy = build_copy(job)
    if not (copy.folder / "pyproject.toml").is_file():
        raise BuildError(
            f"the source folder of {job.spec.name} has no pyproject.toml",
            hint="a Python agent is a package: describe it in a pyproject.toml",
        )
    own = copy.folder / lock_files.FOLDER_PYTHON_LOCK
    if not own.is_file():
        own = lock_files.find_lock(
            job.project, job.spec.name, lock_files.PYTHON_LOCK, agent=job.spec.name
        )
    asked_for = "include" in job.spec.build.model_fields_set
    wheels = tuple(build_wheels(job, copy.folder))
    return _Project(_read_lock(own), wheels, copy.files if asked_for else ())


def _read_lock(file: Path) -> Sequence[Pin]:
    return parse_lock(file.read_text(encoding="utf-8"), file=str(file))


def _fetch(job: Job, needs: Mapping[str, Sequence[Pin]]) -> Iterator[tuple[str, Path]]:
    """Give each interpreter, and the folder that holds its wheels: from the cache, or fetched."""
    job.progress.start("fetching wheels", total=len(needs))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fetches = [pool.submit(_fetch_for, job, *need) for need in needs.items()]
        for version, fetch in zip(needs, fetches, strict=True):
            folder = fetch.result()
            job.progress.advance()
            yield version, folder
    job.progress.finish()


def _fetch_for(job: Job, interpreter: str, pins: Sequence[Pin]) -> Path:
    inputs = {
        "recipe": _RECIPE,
        "pip": importlib.metadata.version("pip"),
        "interpreter": interpreter,
        "platform": job.platform,
        "requirements": requirements_text(pins),
    }
    return job.keep("wheels", inputs, lambda new: _download(job, interpreter, pins, new))


def _download(job: Job, interpreter: str, pins: Sequence[Pin], folder: Path) -> None:
    if not pins:
        return
    requirements = job.work / f"requirements-{interpreter}.txt"
    requirements.write_text(requirements_text(pins), encoding="utf-8")
    command = pip_download(
        sys.executable, requirements, folder, interpreter=interpreter, platform=job.platform
    )
    try:
        run(command, folder=job.work)
    except CommandFailedError as error:
        raise _without_wheel(error, interpreter, job.platform) from error


def _without_wheel(error: CommandFailedError, interpreter: str, platform: str) -> BuildError:
    missing = _NO_WHEEL.search(error.output)
    if not missing:
        return error
    package, version = missing.groups()
    return BuildError(
        f"{package} {version} has no wheel for CPython {interpreter} on {platform}",
        why="a host has no compiler, so every package must come as a wheel for glibc 2.35 or older",
        hint=f"name a version of {package} that has one, raise runtime.minimum, or drop a platform",
    )


def _wheels(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.whl"))


def _list(version: str, wheels: Sequence[Path]) -> Entry:
    names = sorted(wheel.name for wheel in wheels)
    return text_entry(f"{WHEELS}/py{version}.txt", "".join(f"{name}\n" for name in names))


def _same_everywhere(pins: Sequence[Pin], needs: Mapping[str, Sequence[Pin]]) -> bool:
    return all(
        select(pins, version, platform) == need
        for version, need in needs.items()
        for platform in MACHINE
    )


def _members(wheel: Path) -> Iterator[Entry]:
    """Give the files inside of a wheel that was built here."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            read = partial(_member, wheel, info.filename)
            yield Entry(info.filename, 0o644, info.file_size, read, origin=wheel.name)


def _member(wheel: Path, name: str) -> BytesIO:
    with zipfile.ZipFile(wheel) as archive:
        return BytesIO(archive.read(name))
