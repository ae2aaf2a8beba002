"""What the bytes of a release depend on, as one hash: equal hashes mean equal releases."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from toolkit import lock_files
from toolkit.build_cache import key_of
from toolkit.resources import data_folder
from toolkit.sources import npm
from toolkit.sources.folder import local_folders, skipped, source_folder
from toolkit.spec import NPM_SOURCE, PYPI_SOURCE, NoRuntime, PythonRuntime
from toolkit.tree import Job, walk

_PACKAGE = Path(__file__).parent
# Other people's code that decides bytes of a release, or what is in it.
_LIBRARIES = ("cyclonedx-python-lib", "jinja2", "packaging", "pip", "pydantic", "uv")
_COMPRESSORS = ("zlib-ng", "zstandard")


def inputs_hash(job: Job) -> str | None:
    """Give the hash of all that decides the release of `job`.

    None where that can't be known: commands of a source, scripts of npm packages, and what
    builds a wheel without a lock read what they like of this machine.
    Raises BuildError where a lock is missing, NotFoundError where the source is.
    """
    spec = job.spec
    if spec.build.commands or spec.build.install_scripts or _builds_unlocked(job):
        return None
    parts: dict[str, str | bytes] = {
        "agent": spec.model_dump_json(),
        "platform": job.platform,
        "epoch": str(job.epoch),
        "toolkit": own_hash(),
        "machine": f"{sys.version} {platform.machine()}",
        **{f"library {name}": _version(name) for name in (*_LIBRARIES, *_COMPRESSORS)},
        **{f"npm {name}": value for name, value in npm.settings().items()},
        **{f"lock {name}": path.read_bytes() for name, path in _locks(job)},
    }
    if not _is_package(job):
        parts["source"] = _tree_hash(_files_below(source_folder(job), job))
        for name, folder in zip(spec.build.local, local_folders(job), strict=True):
            parts[f"local {name}"] = _tree_hash(_files_below(folder, job))
    return key_of(parts)


def own_hash() -> str:
    """Give the hash of toolkit's own code and templates."""
    folders = (_PACKAGE, data_folder("templates"), data_folder("release") / "locks" / npm.LOCK)
    return _tree_hash(
        (f"{number}/{found.path}", Path(found.file))
        for number, folder in enumerate(folders)
        for found in walk(folder, skip=lambda found: found.name in {"__pycache__", "_data"})
    )


def _version(name: str) -> str:
    return importlib.metadata.version(name)


def _is_package(job: Job) -> bool:
    return bool(NPM_SOURCE.match(job.spec.source) or PYPI_SOURCE.match(job.spec.source))


def _builds_unlocked(job: Job) -> bool:
    return (
        isinstance(job.spec.runtime, PythonRuntime)
        and not _is_package(job)
        and lock_files.build_lock(job.spec, job.project) is None
    )


def _locks(job: Job) -> Iterator[tuple[str, Path]]:
    if not isinstance(job.spec.runtime, NoRuntime):
        yield from lock_files.locks_for(job.spec, job.project)
    settings = job.project / ".npmrc"
    if settings.is_file():
        yield settings.name, settings


def _files_below(folder: Path, job: Job) -> Iterator[tuple[str, Path]]:
    for found in walk(folder, skip=skipped(job)):
        yield found.path, Path(found.file)


def _tree_hash(files: Iterator[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, file in files:
        if file.is_symlink():
            kind, content = "link", str(file.readlink()).encode()
        else:
            kind = "program" if file.stat().st_mode & 0o111 else "file"
            with file.open("rb", buffering=0) as source:
                content = hashlib.file_digest(source, "sha256").digest()
        digest.update(key_of({"name": name, "kind": kind, "content": content}).encode())
    return digest.hexdigest()
