"""Gathers an agent that runs on Node.js: its files, its npm packages, Node.js and PM2."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from toolkit import lock_files
from toolkit.archive import Entry
from toolkit.commands import MACHINE, NPM_CPU
from toolkit.errors import BuildError
from toolkit.host.release import NODE, PM2
from toolkit.sources import npm
from toolkit.sources.folder import Copy, build_copy
from toolkit.sources.npm_packages import MODULES, Installed, install, read_json
from toolkit.spec import NPM_SOURCE, NodeRuntime
from toolkit.tree import Found, Job, Tree, entries_below, entry, walk

# npm's own notes; they name no file that a program reads, and change from npm to npm.
_NOTES = frozenset({".package-lock.json", ".cache"})
_RUNTIME = NODE.removesuffix("/bin/node")
_PM2 = PM2.split(f"/{MODULES}/")[0]


def gather(job: Job, runtime: NodeRuntime) -> Tree:
    """Give the tree of a Node.js agent from the npm registry or from a folder."""
    match = NPM_SOURCE.match(job.spec.source)
    copy = Copy(_package(job, match), ()) if match else _folder(job)
    node = _lock_copy(job, lock_files.node_lock(runtime)) if runtime.bundled else None
    pm2 = _lock_copy(job, lock_files.pm2_lock(runtime.pm2)) if runtime.pm2 else None
    scripts = job.spec.build.install_scripts
    portable = node is None and all(
        is_portable(read_json(folder / lock_files.NPM_LOCK), scripts=scripts)
        for folder in (copy.folder, pm2)
        if folder
    )
    installed = _install(job, copy.folder, [folder for folder in (node, pm2) if folder])
    entries = [*copy.files, *_manifests(copy), *_modules(installed[copy.folder].folder)]
    if node:
        entries += _node(job, installed[node].folder)
    if pm2:
        modules = installed[pm2].folder / MODULES
        entries += entries_below(modules, f"{_PM2}/{MODULES}", "PM2", skip=_is_note)
    packages = [package for each in installed.values() for package in each.packages]
    return Tree(tuple(entries), copy.files, portable, tuple(packages))


def is_portable(lock: Mapping[str, Any], *, scripts: bool) -> bool:
    """Say whether every platform gets the same files from a package-lock.json.

    `scripts`: packages may run their install scripts, which build for one platform.
    """
    for package in lock.get("packages", {}).values():
        if scripts and package.get("hasInstallScript"):
            return False
        if len({_allows(package.get("cpu"), cpu) for cpu in NPM_CPU.values()}) > 1 and _allows(
            package.get("os"), "linux"
        ):
            return False
    return True


def _allows(listed: str | list[str] | None, value: str) -> bool:
    """Read npm's `os` and `cpu`: names, or names with "!" that are excepted."""
    names = [listed] if isinstance(listed, str) else listed or []
    if f"!{value}" in names:
        return False
    wanted = [name for name in names if not name.startswith("!")]
    return not wanted or value in wanted or "any" in wanted


def _package(job: Job, match: re.Match[str]) -> Path:
    """Lay out the lock of a package from the registry."""
    folder = _lock_copy(job, job.spec.name)
    packages = read_json(folder / lock_files.NPM_LOCK).get("packages", {})
    locked = packages.get(f"{MODULES}/{match['package']}", {}).get("version")
    if locked != match["version"]:
        raise BuildError(
            f"the lock file of {job.spec.name} is for {locked or 'another package'}",
            why=f"release/{job.spec.name}.toml asks for {job.spec.source}",
            hint=f"lock it again with `toolkit lock {job.spec.name}`",
        )
    return folder


def _folder(job: Job) -> Copy:
    copy = build_copy(job)
    for name in (lock_files.NPM_PACKAGE, lock_files.NPM_LOCK):
        if not (copy.folder / name).is_file():
            raise BuildError(
                f"the source folder of {job.spec.name} has no {name}",
                hint=f"`toolkit lock {job.spec.name}` makes it from package.json"
                if name == lock_files.NPM_LOCK
                else "make one with `npm init`",
            )
    return copy


def _lock_copy(job: Job, name: str) -> Path:
    folder = job.work / f"npm-{name}"
    folder.mkdir()
    for file in (lock_files.NPM_PACKAGE, lock_files.NPM_LOCK):
        found = lock_files.find_lock(job.project, name, file, agent=job.spec.name)
        shutil.copyfile(found, folder / file)
    settings = job.project / ".npmrc"
    if settings.is_file():
        shutil.copyfile(settings, folder / ".npmrc")
    return folder


def _install(job: Job, folder: Path, runtimes: Sequence[Path]) -> dict[Path, Installed]:
    """Install the agent's packages and those of its runtime, as many at once as there are CPUs."""
    scripts = job.spec.build.install_scripts
    machine = platform.machine()
    if scripts and machine != MACHINE[job.platform]:
        raise BuildError(
            f"cannot build the npm packages for {job.platform} on this {machine} machine",
            why="build.install_scripts lets packages compile for the machine that they are on",
            hint="build each platform on a machine of its own, with --platform",
        )
    installs = [(folder, scripts), *((runtime, False) for runtime in runtimes)]
    program = npm.program()
    job.progress.start("installing npm packages", total=len(installs))
    installed = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        works = {
            where: pool.submit(install, job, program, where, scripts=allowed)
            for where, allowed in installs
        }
        for where, work in works.items():
            installed[where] = work.result()
            job.progress.advance()
    job.progress.finish()
    return installed


def _manifests(copy: Copy) -> Iterator[Entry]:
    """Pack package.json and its lock even where the patterns leave them out.

    Node.js reads package.json to know which kind of modules the files are.
    """
    packed = {entry.path for entry in copy.files}
    for name in (lock_files.NPM_PACKAGE, lock_files.NPM_LOCK):
        if name not in packed:
            yield entry(copy.folder / name, name, "the source folder")


def _modules(folder: Path) -> Iterator[Entry]:
    """Pack each node_modules folder below `folder`: workspaces have their own."""
    for found in walk(folder, skip=_is_note):
        if MODULES in found.path.split("/"):
            yield entry(found.file, found.path, "the npm packages")


def _node(job: Job, folder: Path) -> Iterator[Entry]:
    package = folder / MODULES / f"node-{job.platform}"
    for file, path in (("bin/node", NODE), ("LICENSE", f"{_RUNTIME}/LICENSE")):
        if not (package / file).is_file():
            raise BuildError(
                f"Node.js for {job.platform} came without {file}",
                why=f"npm leaves out {package.name}, which is optional, where it cannot get it",
                hint="run the same command again; if it stays, lock it again",
            )
        yield entry(package / file, path, "Node.js")


def _is_note(found: Found) -> bool:
    return found.name in _NOTES and Path(found.file).parent.name == MODULES
