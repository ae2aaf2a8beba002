"""The story of `toolkit reproduce`: build a release again from its commit, and compare."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import toolkit
from toolkit.artifact import Artifact
from toolkit.config import parse_agent
from toolkit.dist import digest_of
from toolkit.errors import IntegrityError, NotFoundError, NotReproducedError
from toolkit.git import check_out
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.manifest import File, parse_manifest
from toolkit.progress import Progress
from toolkit.provenance import Origin, Provenance, parse
from toolkit.release import Built, Settings, build
from toolkit.resources import agent_file
from toolkit.spec import Platform

_MOST_NAMED = 20


@dataclass(frozen=True)
class Recorded:
    """A release to build again: its provenance, the file that was read, and the text in it."""

    provenance: Provenance
    file: Path
    text: str

    @property
    def folder(self) -> Path:
        """Where the release's files may stand."""
        return self.file.parent


@dataclass(frozen=True)
class Reproduced:
    """A release that was built again with the same bytes: SHA-256 sums by file name."""

    origin: Origin
    files: Mapping[str, str]


def find_recorded(name: str, version: str, folder: Path) -> tuple[Recorded, ...]:
    """Find the provenance of each platform in `folder`; raises NotFoundError, IntegrityError."""
    artifacts = [Artifact(name, version, platform) for platform in (None, *get_args(Platform))]
    files = [folder / artifact.provenance for artifact in artifacts]
    found = tuple(read_recorded(file) for file in files if file.is_file())
    if not found:
        raise NotFoundError(
            f"there is no provenance of {name} {version} in {folder}",
            why=f"there is no {files[0].name}, and none of a platform",
            hint="name the folder by --from, or the file by --provenance",
        )
    return found


def read_recorded(file: Path) -> Recorded:
    """Read one provenance; who signed it is told by `toolkit.attest`."""
    try:
        text = file.read_text("utf-8")
        return Recorded(parse(text), file, text)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}") from error
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{file} is no provenance of a release", why=str(error)) from error


def reproduce(recorded: Recorded, project: Path, progress: Progress) -> Reproduced:
    """Build the release again from its commit in the repository of `project`, and compare.

    Nothing is taken from the cache, and nothing is written but below a temporary folder.
    Raises NotReproducedError with what differs, NotFoundError where the commit is not there.
    """
    origin, subjects = recorded.provenance.origin, recorded.provenance.subjects
    if origin.commit is None:
        raise NotFoundError(
            f"the provenance of {origin.name} {origin.version} names no commit",
            why="it was not built in a git repository",
            hint="release it from a commit",
        )
    with tempfile.TemporaryDirectory(prefix="toolkit-") as name:
        source, out = Path(name) / "source", Path(name) / "out"
        check_out(project, origin.commit, source)
        built = _build(origin, source / origin.path, out, subjects, progress)
        again = {file: _sha256(out / file) for file in subjects}
    if again != dict(subjects):
        raise _not_reproduced(recorded, again, built)
    return Reproduced(origin, again)


def _build(
    origin: Origin, project: Path, out: Path, subjects: Mapping[str, str], progress: Progress
) -> Built:
    file = agent_file(origin.name, project)
    spec = parse_agent(file.read_text("utf-8"), file=str(file))
    if spec.release_version != origin.version:
        raise NotReproducedError(
            f"at the recorded commit, {origin.name} is {spec.release_version}, "
            f"and not {origin.version}",
            why=_circumstances(origin) or "the provenance does not fit its commit",
        )
    zstd = any(name.endswith(".tar.zst") for name in subjects)
    settings = Settings(project, out, epoch=origin.epoch, zstd=zstd)
    platform: Platform = "linux-arm64" if origin.platform == "linux-arm64" else "linux-x64"
    return build(spec, platform, settings, progress)


def _sha256(file: Path) -> str:
    digest = digest_of(file)
    return digest.sha256 if digest else ""


def _not_reproduced(
    recorded: Recorded, again: Mapping[str, str], built: Built
) -> NotReproducedError:
    origin, subjects = recorded.provenance.origin, recorded.provenance.subjects
    files = sorted(name for name, sha256 in subjects.items() if again[name] != sha256)
    lines = [
        f"{name}: {subjects[name]} was recorded, {again[name] or 'none'} came" for name in files
    ]
    lines += _members(recorded.folder / built.artifact.tarball, subjects, built.files)
    return NotReproducedError(
        f"{origin.name} {origin.version} was built again, and has other bytes",
        why="\n".join([*lines, *filter(None, [_circumstances(origin)])]),
        hint="do not trust it before you know why; other versions of toolkit, Python or pip can "
        "be the cause",
    )


def _circumstances(origin: Origin) -> str:
    notes = []
    if origin.dirty:
        notes.append("it was built from files that differed from the commit")
    if origin.toolkit != toolkit.__version__:
        notes.append(f"it was built by toolkit {origin.toolkit}, this is {toolkit.__version__}")
    return "\n".join(notes)


def _members(tarball: Path, subjects: Mapping[str, str], built: Sequence[File]) -> Iterator[str]:
    """Say which files in the tarball differ, where the recorded one is at hand."""
    if _sha256(tarball) != subjects.get(tarball.name):
        yield f"the recorded {tarball.name} is not at hand, so its files can't be compared"
        return
    before = {file.path: file for file in _manifest(tarball)}
    after = {file.path: file for file in built}
    paths = sorted(path for path in before | after if before.get(path) != after.get(path))
    for path in paths[:_MOST_NAMED]:
        kind = "is gone" if path not in after else "is new" if path not in before else "differs"
        yield f"in it, {path} {kind}"
    if len(paths) > _MOST_NAMED:
        yield f"and {len(paths) - _MOST_NAMED} more"


def _manifest(tarball: Path) -> Sequence[File]:
    with tarfile.open(tarball, "r|gz") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.name == MANIFEST else None
            if content:
                return parse_manifest(content.read().decode())
    return ()
