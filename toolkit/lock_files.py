"""Where lock files stand: release/locks/ of the project, then those that come with toolkit."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import BuildError
from toolkit.resources import data_folder
from toolkit.spec import NodeRuntime

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
