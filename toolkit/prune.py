"""The story of `toolkit prune`: old versions leave the metadata, and then the store.

Old versions of the metadata itself go, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit import channels
from toolkit.artifact import checksum_file
from toolkit.old_metadata import superseded
from toolkit.progress import Progress
from toolkit.repository import Publisher, catalog_of, move, require
from toolkit.trust.catalog import Catalog
from toolkit.trust.model import Repository


@dataclass(frozen=True)
class Pruned:
    """What left: versions, and names of files that were deleted (or would be)."""

    versions: tuple[str, ...]
    files: tuple[str, ...]


def foresee(at: Publisher, agent: str, keep: int) -> Pruned:
    """Say what `prune` would do; writes nothing."""
    current = require(at.store, at.signers.trusted_root())
    catalog = catalog_of(current, agent)
    versions = channels.spare(catalog, keep)
    after = channels.prune(catalog, versions)
    return Pruned(versions, (*_to_delete(at, after), *_old(at, current)))


def prune(at: Publisher, agent: str, keep: int, progress: Progress) -> Pruned:
    """Keep the `keep` newest versions and what channels need, and delete the files of all others.

    A file is deleted only when the published metadata no longer names it. Can be run again after
    an interruption.

    Raises NotFoundError for an unknown agent, and as `toolkit.repository.update`.
    """
    before = catalog_of(require(at.store, at.signers.trusted_root()), agent)
    current = move(at, agent, lambda one: _pruned(one, keep))
    after = catalog_of(current, agent)
    gone = tuple(version for version in before.versions if version not in after.versions)
    files, old = _to_delete(at, after), _old(at, current)
    progress.start("deleting", total=len(files) + len(old))
    for file in files:
        # Somebody may release the version again in this moment.
        if file.removesuffix(".sha256") not in _listed(at, agent):
            at.store.delete(file)
        progress.advance()
    for file in old:
        at.store.delete(file)
        progress.advance()
    progress.finish()
    return Pruned(gone, (*files, *old))


def _pruned(catalog: Catalog, keep: int) -> Catalog:
    versions = channels.spare(catalog, keep)
    return channels.prune(catalog, versions) if versions else catalog


def _to_delete(at: Publisher, catalog: Catalog) -> tuple[str, ...]:
    there = at.store.names(f"{catalog.agent}-v")
    both = (name for path in catalog.pruned for name in (path, checksum_file(path)))
    return tuple(name for name in both if name in there)


def _old(at: Publisher, current: Repository) -> tuple[str, ...]:
    return superseded(at.store, current, at.signers.lifetimes, at.now)


def _listed(at: Publisher, agent: str) -> frozenset[str]:
    repository = require(at.store, at.signers.trusted_root())
    return frozenset(catalog_of(repository, agent).files)
