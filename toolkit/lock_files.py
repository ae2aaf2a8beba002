"""Where lock files stand: release/locks/ of the project, then those that come with toolkit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import BuildError
from toolkit.resources import data_folder
from toolkit.spec import NPM_SOURCE, PYPI_SOURCE, AgentSpec, NodeRuntime, PythonRuntime

NPM_LOCK = "package-lock.json"
NPM_PACKAGE = "package.json"
PYTHON_LOCK = "requirements.txt"
BUILD_LOCK = "build-requirements.txt"
# In a source folder of its own, where requirements.txt often is something else.
FOLDER_PYTHON_LOCK = "requirements.lock"


def locks_of(project: Path) -> Path:
    """Give the folder that `toolkit lock` writes to."""
    return project / "release" / "locks"


def find_lock(project: Path, folder: str, file: str, *, agent: str) -> Path:
    """Find release/locks/`folder`/`file`; raises BuildError that says how to make it."""
    places = [locks_of(project), data_folder("release") / "locks"]
    for place in places:
        path = place / folder / file
        if path.is_file():
            return path
    raise BuildError(
        f"there is no lock file {folder}/{file}",
        why=f"it was looked for in {' and '.join(map(str, dict.fromkeys(places)))}",
        hint=f"make it with `toolkit lock {agent}`, and commit it",
    )


def node_lock(runtime: NodeRuntime) -> str:
    """Name the folder that locks this version of Node.js."""
    return f"node-{runtime.version}"


def pm2_lock(version: str) -> str:
    """Name the folder that locks this version of PM2."""
    return f"pm2-{version}"


def locks_for(spec: AgentSpec, project: Path) -> Iterator[tuple[str, Path]]:
    """Give each lock file that a build of `spec` reads, and its name from the project's top.

    Raises BuildError where one is missing.
    """
    match spec.runtime:
        case NodeRuntime() as runtime:
            folders = [spec.name] if NPM_SOURCE.match(spec.source) else []
            folders += [node_lock(runtime)] if runtime.bundled else []
            folders += [pm2_lock(runtime.pm2)] if runtime.pm2 else []
            for folder in folders:
                for file in (NPM_PACKAGE, NPM_LOCK):
                    yield _named(project, folder, file, spec)
            if not NPM_SOURCE.match(spec.source):
                yield from _inside(spec, project, NPM_PACKAGE, NPM_LOCK)
        case PythonRuntime():
            if PYPI_SOURCE.match(spec.source):
                yield _named(project, spec.name, PYTHON_LOCK, spec)
                return
            own = list(_inside(spec, project, FOLDER_PYTHON_LOCK))
            yield from own or [_named(project, spec.name, PYTHON_LOCK, spec)]
            if build_lock(spec, project):
                yield _named(project, spec.name, BUILD_LOCK, spec)


def build_lock(spec: AgentSpec, project: Path) -> Path | None:
    """Find the lock of what builds a folder's wheel, if there is one."""
    try:
        return find_lock(project, spec.name, BUILD_LOCK, agent=spec.name)
    except BuildError:
        return None


def _named(project: Path, folder: str, file: str, spec: AgentSpec) -> tuple[str, Path]:
    return f"release/locks/{folder}/{file}", find_lock(project, folder, file, agent=spec.name)


def _inside(spec: AgentSpec, project: Path, *files: str) -> Iterator[tuple[str, Path]]:
    for file in files:
        path = project / spec.source / file
        if path.is_file():
            yield f"{spec.source}/{file}", path
