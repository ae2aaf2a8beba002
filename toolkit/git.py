"""Reads the project's git repository: which commit it is at, and that commit's files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import MissingToolError, NotFoundError


@dataclass(frozen=True)
class Commit:
    """Where a project stands: the commit's full name, `dirty` where files differ from it.

    `path` leads from the repository's top to the project's folder.
    """

    name: str
    dirty: bool
    path: str


def commit_of(project: Path) -> Commit | None:
    """Give the commit that `project` stands at, or None outside of a repository."""
    try:
        name = _git(project, "rev-parse", "HEAD")
        path = _git(project, "rev-parse", "--show-prefix").strip().rstrip("/")
        # What was built is no change of the source.
        changes = _git(project, "status", "--porcelain", "--", ".", ":(exclude)release/dist")
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None
    return Commit(name.strip(), bool(changes.strip()), path)


def check_out(project: Path, commit: str, folder: Path) -> None:
    """Put the files of `commit` of the project's repository into the new folder `folder`.

    The repository is only read. Raises MissingToolError without git, NotFoundError where the
    commit is not there.
    """
    try:
        top = _git(project, "rev-parse", "--show-toplevel").strip()
        # A clone, since `git archive` leaves out and rewrites what .gitattributes names.
        _git(project, "clone", "--quiet", "--shared", "--no-checkout", top, str(folder))
        _git(folder, "checkout", "--quiet", "--detach", commit)
    except FileNotFoundError as error:
        raise MissingToolError(
            "could not read the recorded commit: no git on this machine can be run",
            hint="install git",
        ) from error
    except subprocess.CalledProcessError as error:
        raise NotFoundError(
            f"the commit {commit[:12]} can't be read from the repository of {project.resolve()}",
            why=str(error.stderr).strip(),
            hint="run it in a checkout that has this commit (`git fetch`)",
        ) from error


def _git(folder: Path, *words: str) -> str:
    # A hook's own variables would lead git to another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    argv: Sequence[str] = ("git", "-C", str(folder), *words)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    return done.stdout
