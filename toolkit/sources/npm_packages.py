"""Installs npm packages from a lock file, and lists them; keeps what hashes pin in the cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.commands import npm_ci, npm_sbom
from toolkit.errors import BuildError
from toolkit.lock_files import NPM_LOCK, NPM_PACKAGE
from toolkit.process import output_of, run
from toolkit.sbom import Package, npm_packages
from toolkit.sources import npm
from toolkit.tree import Job

MODULES = "node_modules"
# Changes with what `_install` does, so that what an older toolkit kept is not taken.
_RECIPE = "1"
# Beside node_modules, which is all that is packed.
_LIST = ".packages.cdx.json"
_SETTINGS = ".npmrc"


@dataclass(frozen=True)
class Installed:
    """A folder with node_modules in it, and the packages there."""

    folder: Path
    packages: tuple[Package, ...]


def install(job: Job, program: Sequence[str], folder: Path, *, scripts: bool) -> Installed:
    """Install what the lock in `folder` says; `program` calls npm.

    It is installed there, or in the cache, where every package is pinned by a hash and no
    script of a package runs (`scripts`). Raises BuildError.
    """
    where = folder
    if scripts or program == ("npm",) or not is_pinned(read_json(folder / NPM_LOCK)):
        _install(job, program, folder, scripts=scripts)
    else:
        where = job.keep(
            "npm", _inputs(job, program, folder), lambda new: _fill(job, program, folder, new)
        )
    return Installed(where, _packages(where))


def is_pinned(lock: Mapping[str, Any]) -> bool:
    """Say whether hashes in a package-lock.json decide every byte that is installed from it."""
    packages = lock.get("packages", {})
    return all(
        package.get("integrity") or package.get("inBundle")
        for path, package in packages.items()
        if path
    )


def _inputs(job: Job, program: Sequence[str], folder: Path) -> dict[str, str | bytes]:
    files = [folder / name for name in (NPM_PACKAGE, NPM_LOCK, _SETTINGS)]
    return {
        "recipe": _RECIPE,
        "npm": "\n".join(program),
        "platform": job.platform,
        **{f"file {file.name}": file.read_bytes() for file in files if file.is_file()},
        **{f"setting {name}": value for name, value in npm.settings().items()},
    }


def _fill(job: Job, program: Sequence[str], folder: Path, new: Path) -> None:
    for name in (NPM_PACKAGE, NPM_LOCK, _SETTINGS):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, new / name)
    _install(job, program, new, scripts=False)
    # It may hold a registry's password.
    (new / _SETTINGS).unlink(missing_ok=True)


def _install(job: Job, program: Sequence[str], folder: Path, *, scripts: bool) -> None:
    run(npm_ci(program, job.platform, scripts=scripts), folder=folder)
    package = folder / NPM_PACKAGE
    text = package.read_text("utf-8")
    # `npm sbom` wants a version for the top package, which npm itself does not.
    package.write_text(json.dumps({"version": "0.0.0", **read_json(package)}), "utf-8")
    (folder / _LIST).write_text(output_of(npm_sbom(program), folder=folder), "utf-8")
    package.write_text(text, "utf-8")


def _packages(folder: Path) -> tuple[Package, ...]:
    try:
        return npm_packages((folder / _LIST).read_text("utf-8"))
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(
            "npm's list of packages is not CycloneDX as it is known here", why=repr(error)
        ) from error


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object; raises BuildError where the file is none."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BuildError(f"{file.name} is not JSON", why=str(error)) from error
    if not isinstance(data, dict):
        raise BuildError(f"{file.name} is not a JSON object")
    return data
