"""Which files below metadata/ nobody needs any more.

A host that is at work has a timestamp of a minute ago at most, so what only older ones lead to can
go. When a snapshot was signed is told by when it expires.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from tuf.api.metadata import Metadata, Snapshot
from tuf.api.serialization import DeserializationError

from toolkit.metadata_files import FOLDER, read, versions
from toolkit.store import Store
from toolkit.trust.model import ROOT, SNAPSHOT, TARGETS, Lifetimes, Repository

AGE = timedelta(days=1)


def superseded(
    store: Store, current: Repository, lifetimes: Lifetimes, now: datetime
) -> tuple[str, ...]:
    """Give the names of metadata files that no snapshot of the last day leads to.

    Never a root, since hosts that slept follow them one by one; nor what is newer than the current
    set, which another publisher may be about to name.
    """
    names = store.names(f"{FOLDER}/")
    needed: dict[str, int] = {SNAPSHOT: current.snapshot.signed.version}
    for number, snapshot in _recent(store, current, lifetimes, now):
        needed[SNAPSHOT] = number
        for role in (TARGETS, *current.roles):
            meta = snapshot.meta.get(f"{role}.json")
            if meta is not None:
                needed[role] = min(meta.version, needed.get(role, meta.version))
    return tuple(
        f"{FOLDER}/{number}.{role}.json"
        for role, lowest in sorted(needed.items())
        for number in sorted(versions(names, role))
        if number < lowest and role != ROOT
    )


def _recent(
    store: Store, current: Repository, lifetimes: Lifetimes, now: datetime
) -> Iterator[tuple[int, Snapshot]]:
    """Give the current snapshot and those of the last day, the newest first."""
    yield current.snapshot.signed.version, current.snapshot.signed
    names = store.names(f"{FOLDER}/")
    earlier = (n for n in versions(names, SNAPSHOT) if n < current.snapshot.signed.version)
    signed = current.snapshot.signed.expires - lifetimes.of(SNAPSHOT)
    for number in sorted(earlier, reverse=True):
        # The one before was the current one until the one after it was signed.
        if signed < now - AGE:
            return
        found = _snapshot(store, number)
        if found is not None:
            signed = found.expires - lifetimes.of(SNAPSHOT)
            yield number, found


def _snapshot(store: Store, number: int) -> Snapshot | None:
    """Read a former snapshot; None for what a stopped publisher or somebody else has left."""
    found = read(store, f"{number}.{SNAPSHOT}.json")
    try:
        payload = Metadata[Snapshot].from_bytes(found[0]).signed if found else None
    except DeserializationError:
        return None
    return payload if isinstance(payload, Snapshot) else None
