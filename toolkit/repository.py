"""The metadata of a store, as the stories see it: what it says, and how to change that.

A change is a pure function of the current set. Of two publishers at once one wins, and the other's
change is applied again to what the first has published.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial

from tuf.api.metadata import Targets

from toolkit import channels
from toolkit.commit import TRIES, commit, create, foresee, rebuild
from toolkit.errors import ConflictError, NotFoundError
from toolkit.metadata_files import FOLDER, load
from toolkit.metadata_set import Publisher, Signers
from toolkit.store import Store
from toolkit.trust import catalog as catalogs
from toolkit.trust import sign
from toolkit.trust.catalog import Catalog, Listed
from toolkit.trust.model import ENGINE, ONLINE, Draft, Repository
from toolkit.uploads import Upload

__all__ = [
    "Publisher",
    "Signers",
    "catalog_of",
    "create",
    "foresee_targets",
    "load",
    "move",
    "publish_targets",
    "ready",
    "rebuild",
    "require",
    "update",
]

Change = Callable[[Repository], Draft]


def require(store: Store, trusted_root: bytes) -> Repository:
    """Load the current set; raises NotFoundError where nothing was published yet."""
    repository = load(store, trusted_root)
    if repository is None:
        raise NotFoundError(
            f"{store.locate(FOLDER)} holds no release metadata",
            why="no timestamp.json is there",
            hint="publish the first by `toolkit keys init`; if it was there before, bring it back "
            "by `toolkit refresh --rebuild`",
        )
    return repository


def ready(at: Publisher, agents: Iterable[str]) -> Repository:
    """Load the set, and see to it that the roles of `agents` can be signed for; writes nothing.

    Raises NotFoundError where there is no metadata or no such role, SigningError where a key is
    missing.
    """
    repository = require(at.store, at.signers.trusted_root())
    for role in agents:
        _payload(repository, role)
    for role in (*agents, *ONLINE):
        sign.require_at_hand(repository.delegation(role), at.signers.signers)
    return repository


def update(at: Publisher, change: Change, *, tries: int = TRIES) -> Repository:
    """Publish what `change` makes of the current set; give the new one.

    `change` is pure: it is applied again to the newer set where another publisher was first.

    Raises ConflictError where others were first each time, SigningError, TrustError, StoreError.
    """
    for count in range(tries):
        current = require(at.store, at.signers.trusted_root())
        draft = change(current)
        if draft.empty:
            return current
        try:
            return commit(at, current, draft)
        except ConflictError:
            # Two publishers in step would meet again and again.
            time.sleep(random.uniform(0, 0.2 * (count + 1)))  # noqa: S311 - no secret
    raise ConflictError(
        f"the metadata in {at.store.locate(FOLDER)} could not be replaced",
        why=f"others published at the same time, {tries} times",
        hint="run the same command again",
    )


def publish_targets(
    store: Store, signers: Signers, targets: Mapping[str, Iterable[Listed]], now: datetime
) -> Repository:
    """Vouch for files that the store holds already; `targets` are by role (agent or agentctl).

    Files that are listed with the same bytes stay as they are, with their channels.

    Raises ChannelError where a file of that name is listed with other bytes, and as `update`.
    """
    return update(Publisher(store, signers, now), _vouching(targets))


def foresee_targets(at: Publisher, targets: Mapping[str, Iterable[Listed]]) -> tuple[Upload, ...]:
    """Give the files that `publish_targets` would write, in order and empty; writes nothing.

    Raises NotFoundError, TrustError, StoreError, and ChannelError as it does.
    """
    current = require(at.store, at.signers.trusted_root())
    return foresee(at.store, current, _vouching(targets)(current))


def move(at: Publisher, agent: str, change: Callable[[Catalog], Catalog]) -> Repository:
    """Publish what `change`, which is pure, makes of the agent's catalog; give the new set."""
    return update(at, lambda repository: Draft(_moved(repository, agent, change)))


def catalog_of(repository: Repository, agent: str) -> Catalog:
    """Give what the role of `agent` vouches for; raises NotFoundError where there is no role."""
    return catalogs.read(agent, _payload(repository, agent))


def _vouching(targets: Mapping[str, Iterable[Listed]]) -> Change:
    listed = {role: tuple(each) for role, each in targets.items()}

    def change(repository: Repository) -> Draft:
        changed: dict[str, Targets] = {}
        for role, each in listed.items():
            changed |= _moved(repository, role, partial(_published, each))
        return Draft(changed)

    return change


def _moved(
    repository: Repository, agent: str, change: Callable[[Catalog], Catalog]
) -> dict[str, Targets]:
    payload = _payload(repository, agent)
    before = catalogs.read(agent, payload)
    after = change(before)
    return {} if after == before else {agent: catalogs.write(after, payload)}


def _payload(repository: Repository, agent: str) -> Targets:
    if agent not in repository.roles:
        agents = sorted(set(repository.roles) - {ENGINE})
        raise NotFoundError(
            f"no role signs for {agent}",
            why=f"the store's metadata has roles for {', '.join(agents) or 'no agent'}",
            hint=f"make one: toolkit keys add {agent} --new",
        )
    return repository.roles[agent].signed


def _published(listed: Iterable[Listed], catalog: Catalog) -> Catalog:
    return channels.publish(catalog, listed)
