"""Old metadata: what nobody has led to for a day, and nothing else."""

import re

import pytest

from tests.support.memory_store import MemoryStore
from tests.support.trusted import (
    AGENT,
    Keys,
    later,
    listed,
    make_keys,
    publish_first,
    read_by_client,
)
from toolkit.old_metadata import superseded
from toolkit.progress import Silent
from toolkit.prune import foresee, prune
from toolkit.repository import Publisher, publish_targets, rebuild, require
from toolkit.trust.model import Lifetimes


@pytest.fixture
def keys() -> Keys:
    return make_keys(AGENT)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def at(store: MemoryStore, keys: Keys) -> Publisher:
    """Five versions, of which the last two are of the last day."""
    first = publish_first(store, keys, AGENT)
    for number, hours in enumerate((1, 2, 48, 72, 73), start=1):
        release(later(first, hours=hours), f"{number}.0")
    return later(first, hours=74)


def release(at: Publisher, version: str) -> None:
    publish_targets(at.store, at.signers, {AGENT: [listed(version)]}, at.now)


def old(at: Publisher) -> tuple[str, ...]:
    return superseded(at.store, require(at.store, at.signers.trusted_root()), Lifetimes(), at.now)


def numbers(names: tuple[str, ...], role: str) -> list[int]:
    found = (re.fullmatch(rf"metadata/(\d+)\.{role}\.json", name) for name in names)
    return [int(match[1]) for match in found if match]


def test_what_a_snapshot_of_the_last_day_leads_to_stays(at: Publisher) -> None:
    names = old(at)
    # Snapshot 4 (of hour 48) was the current one until hour 72, less than a day ago.
    assert numbers(names, "snapshot") == [1, 2, 3]
    assert numbers(names, AGENT) == [1, 2, 3]
    assert numbers(names, "targets") == []
    assert numbers(names, "agentctl") == []
    assert numbers(names, "root") == []


def test_after_a_quiet_day_the_current_set_is_all(at: Publisher, store: MemoryStore) -> None:
    quiet = later(at, hours=30)
    assert numbers(old(quiet), "snapshot") == [1, 2, 3, 4, 5]
    assert numbers(old(quiet), AGENT) == [1, 2, 3, 4, 5]


def test_what_another_publisher_is_about_to_name_stays(at: Publisher, store: MemoryStore) -> None:
    store.files[f"metadata/7.{AGENT}.json"] = b"{}"
    store.files["metadata/7.snapshot.json"] = b"{}"
    assert not {7} & {*numbers(old(at), AGENT), *numbers(old(at), "snapshot")}


def test_what_is_no_snapshot_is_passed_over(at: Publisher, store: MemoryStore) -> None:
    store.files["metadata/5.snapshot.json"] = b"no"
    assert numbers(old(at), "snapshot") == [1, 2, 3]


def test_prune_deletes_it_and_clients_and_a_rebuild_go_on(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    planned = foresee(at, AGENT, 10)
    assert set(old(at)) <= set(planned.files)
    done = prune(at, AGENT, 10, Silent())
    assert done.files == planned.files
    assert not set(done.files) & set(store.files)
    assert prune(at, AGENT, 10, Silent()).files == ()
    name = f"{AGENT}-v5.0.tar.gz"
    [target] = read_by_client(store.files, keys.root, name)
    assert target is not None
    rebuild(at)
    [target] = read_by_client(store.files, keys.root, name)
    assert target is not None


def test_a_younger_lifetime_than_it_was_signed_with_deletes_nothing_early(at: Publisher) -> None:
    current = require(at.store, at.signers.trusted_root())
    longer = superseded(at.store, current, Lifetimes(snapshot=1), at.now)
    assert set(longer) <= set(old(at))
