"""Reads an agent's own folder: copies it, builds in the copy, picks what is packed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.archive import Entry
from toolkit.commands import Command, reproducible
from toolkit.errors import BuildError, NotFoundError
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.release import NODE, UNITS, VENV, WHEELS
from toolkit.patterns import matcher
from toolkit.process import run
from toolkit.tree import SKIPPED, Job, Skip, Tree, entry, walk

# At the top of a release these belong to toolkit, and venv to agentctl.
RESERVED = frozenset(path.split("/")[0] for path in (MANIFEST, NODE, UNITS, VENV, WHEELS))


@dataclass(frozen=True)
class Copy:
    """A copy of the source folder, built; `files` are the agent's own that are packed."""

    folder: Path
    files: tuple[Entry, ...]


def gather(job: Job) -> Tree:
    """Give the tree of an agent that is just files.

    It is the same everywhere unless commands build it, which may do so for one platform.
    """
    files = build_copy(job).files
    return Tree(files, files, portable=not job.spec.build.commands)


def source_folder(job: Job) -> Path:
    """Find the folder that the agent's source names; raises NotFoundError."""
    return _existing(job, job.spec.source, f'source = "{job.spec.source}"')


def local_folders(job: Job) -> Iterator[Path]:
    """Find the folders of packages that the source needs; raises NotFoundError."""
    for name in job.spec.build.local:
        yield _existing(job, name, f'build.local with "{name}"')


def _existing(job: Job, name: str, said: str) -> Path:
    folder = job.project / name
    if not folder.is_dir():
        raise NotFoundError(
            f"there is no source folder {folder}",
            why=f"release/{job.spec.name}.toml has {said}",
            hint="the path is relative to the folder that holds release/",
        )
    return folder.resolve()


def build_copy(job: Job) -> Copy:
    """Copy the source folder, run the build commands there, and pick the agent's files."""
    folder = job.work / "source"
    skip = skipped(job)
    copy_folder(source_folder(job), folder, skip)
    for argv in job.spec.build.commands:
        job.progress.start(f"running {argv[0]}")
        environment = {**reproducible(job.epoch), "TOOLKIT_PLATFORM": job.platform}
        run(Command(tuple(argv), f"build {job.spec.name}", environment), folder=folder)
        job.progress.finish()
    return Copy(folder, tuple(_pick(job, folder)))


def skipped(job: Job) -> Skip:
    """Say which files of a source folder are never read."""
    outputs = {str(folder) for folder in job.outputs}
    return lambda found: found.name in SKIPPED or found.file in outputs


def copy_folder(source: Path, destination: Path, skip: Skip) -> None:
    """Copy files with their content and whether they can be run, and nothing else of them."""
    destination.mkdir()
    for found in walk(source, skip=skip):
        file, copy = Path(found.file), destination / found.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy, follow_symlinks=False)
        if not copy.is_symlink():
            copy.chmod(0o755 if file.stat().st_mode & 0o111 else 0o644)
            os.utime(copy, (0, 0))


def _pick(job: Job, folder: Path) -> Iterator[Entry]:
    included = matcher(job.spec.build.include)
    excluded = matcher(job.spec.build.exclude)
    for found in walk(folder, skip=lambda found: found.name in SKIPPED):
        if included(found.path) and not excluded(found.path):
            _check_not_reserved(found.path)
            yield entry(found.file, found.path, "the source folder")


def _check_not_reserved(path: str) -> None:
    top = path.split("/", 1)[0]
    if top in RESERVED:
        raise BuildError(
            f"the source folder's {path} would stand where toolkit puts files of its own",
            why=f"{', '.join(sorted(RESERVED))} are reserved at the top of a release",
            hint="rename it, or leave it out with build.exclude",
        )
