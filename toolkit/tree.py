"""What the sources of a release have in common: the job, the tree, and walking folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO, FileIO
from pathlib import Path
from typing import NamedTuple, Protocol

from toolkit.archive import Entry
from toolkit.errors import BuildError
from toolkit.progress import Progress
from toolkit.sbom import Package
from toolkit.spec import AgentSpec

# Never a part of an agent: other programs' stores, caches, and what is made again by the build.
SKIPPED = frozenset(
    {
        *(".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".DS_Store"),
    }
)


class Found(NamedTuple):
    """A file that a walk came by: `path` relative to where it began, with slashes, and `file`."""

    path: str
    file: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


Skip = Callable[[Found], bool]


class Keep(Protocol):
    """Gives the folder that `make` fills from `inputs`, which decide all of its content."""

    def __call__(
        self, what: str, inputs: Mapping[str, str | bytes], make: Callable[[Path], None]
    ) -> Path:
        """Give the folder; it is only to be read."""


@dataclass(frozen=True)
class Job:
    """One build: of `spec` for `platform`, in the temporary folder `work`.

    `project` is the folder that release/ stands in; `outputs` are folders that are written
    and so never read; `epoch` is the time that all files get, in seconds since 1970; `keep`
    gives a folder of packages from the cache, or fills one anew.
    """

    spec: AgentSpec
    platform: str
    project: Path
    work: Path
    outputs: frozenset[Path]
    epoch: int
    progress: Progress
    keep: Keep


@dataclass(frozen=True)
class Tree:
    """The files of a release that come from its source.

    `own` are the agent's own (also those inside of a wheel), to be searched for secrets;
    `entries` are all that is packed. `portable` says that no byte depends on the platform;
    `packages` are those that came from a registry.
    """

    entries: tuple[Entry, ...]
    own: tuple[Entry, ...]
    portable: bool
    packages: tuple[Package, ...] = ()


def walk(folder: Path, *, skip: Skip = lambda _: False) -> Iterator[Found]:
    """Give every file and link below `folder`, never what a link leads to.

    Raises BuildError for a socket, a pipe or a device.
    """
    return _walk(str(folder), "", skip)


def _walk(folder: str, prefix: str, skip: Skip) -> Iterator[Found]:
    with os.scandir(folder) as items:
        for item in sorted(items, key=lambda item: item.name):
            found = Found(prefix + item.name, item.path)
            if skip(found):
                continue
            if item.is_dir(follow_symlinks=False):
                yield from _walk(item.path, found.path + "/", skip)
            elif item.is_file(follow_symlinks=False) or item.is_symlink():
                yield found
            else:
                raise BuildError(
                    f"{item.path} is no file, folder or link",
                    hint="move it out of the source folder, or leave it out with build.exclude",
                )


def entry(file: str | Path, path: str, origin: str) -> Entry:
    """Give the entry that packs `file` as `path`."""
    status = os.lstat(file)
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(file)  # noqa: PTH115 - Path would drop a leading "./"
        return Entry(path, 0o777, 0, BytesIO, target, origin)
    return Entry(path, status.st_mode, status.st_size, partial(FileIO, file), "", origin)


def entries_below(folder: Path, prefix: str, origin: str, *, skip: Skip) -> Iterator[Entry]:
    """Give the entries that pack everything below `folder` as `prefix`/..."""
    for found in walk(folder, skip=skip):
        yield entry(found.file, f"{prefix}/{found.path}", origin)
