"""The wheels that are built here: of the agent's own folder, and of those that it depends on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from toolkit import lock_files
from toolkit.commands import Command, reproducible, uv_build_wheel
from toolkit.errors import BuildError
from toolkit.process import run
from toolkit.sources.folder import copy_folder, local_folders, skipped
from toolkit.tree import Job

PURE = "-none-any.whl"


def build_wheels(job: Job, folder: Path) -> Iterator[Path]:
    """Build the wheel of `folder`, the copy of the agent's source, then those of build.local."""
    yield _build(job, folder, job.work / "wheel")
    for number, local in enumerate(local_folders(job), 1):
        copy = job.work / f"local-{number}"
        copy_folder(local, copy, skipped(job))
        yield _build(job, copy, job.work / f"wheel-{number}", of=local.name)


def _build(job: Job, folder: Path, built: Path, of: str = "") -> Path:
    lock = lock_files.build_lock(job.spec, job.project)
    constraints = lock.resolve() if lock else None
    command = uv_build_wheel(sys.executable, folder, built, constraints=constraints)
    job.progress.start(f"building the wheel of {of or job.spec.name}")
    run(Command(command.argv, command.why, reproducible(job.epoch)), folder=folder)
    job.progress.finish()
    wheel = next(built.glob("*.whl"))
    if not wheel.name.endswith(PURE):
        raise BuildError(
            f"{wheel.name} holds native code for this machine and this Python only",
            hint="publish wheels of it to a package index, and name it as pypi:PACKAGE==VERSION",
        )
    return wheel
