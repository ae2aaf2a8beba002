"""The npm that builds releases: one locked version, run by one locked Node.js.

What npm installs differs from npm to npm, and a Debian's own may be years old. So the machine's
npm, whichever it is, only fetches this one, once, into the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

from toolkit import lock_files
from toolkit.build_cache import user_cache
from toolkit.commands import MACHINE, npm_fetch
from toolkit.process import run
from toolkit.resources import data_folder

LOCK = "npm-11.21.2"


def program() -> tuple[str, ...]:
    """Give the argv that calls npm; fetches it where it is not in the cache yet.

    Raises MissingToolError where the machine has no npm to fetch it with, BuildError where
    it can't be fetched.
    """
    here = next((name for name, machine in MACHINE.items() if machine == platform.machine()), None)
    if here is None or platform.system() != "Linux":
        return ("npm",)
    modules = _fetched() / "node_modules"
    return (str(modules / f"node-{here}" / "bin" / "node"), str(modules / "npm/bin/npm-cli.js"))


def _fetched() -> Path:
    locks = data_folder("release") / "locks" / LOCK
    files = [locks / name for name in (lock_files.NPM_PACKAGE, lock_files.NPM_LOCK)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    folder = user_cache() / f"{LOCK}-{digest[:12]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            new = Path(work) / "new"
            new.mkdir()
            for file in files:
                shutil.copy(file, new)
            run(npm_fetch(), folder=new)
            _put(new, folder)
    return folder


def _put(new: Path, folder: Path) -> None:
    """Give the fetched folder its name; another build may have been first."""
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def settings() -> dict[str, bytes]:
    """Give what else changes what npm does: its variables, and the user's own settings."""
    found = {
        name.lower(): value.encode()
        for name, value in os.environ.items()
        if name.lower().startswith("npm_config_")
    }
    user = found.get("npm_config_userconfig", b"").decode() or Path.home() / ".npmrc"
    if Path(user).is_file():
        found["settings of the user"] = Path(user).read_bytes()
    return found
