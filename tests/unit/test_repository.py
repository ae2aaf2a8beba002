"""Sets of metadata: published, read by a real client, interrupted, raced and attacked."""

import json
import multiprocessing
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import ExpiredMetadataError
from tuf.api.metadata import Metadata, Targets

from tests.support.memory_store import MemoryStore
from tests.support.trusted import (
    AGENT,
    NOW,
    Keys,
    later,
    listed,
    make_keys,
    publish_first,
    read_by_client,
)
from toolkit.errors import (
    ChannelError,
    ConflictError,
    MissingKeysError,
    NotFoundError,
    SigningError,
    StoreError,
    TrustError,
)
from toolkit.repository import (
    Publisher,
    catalog_of,
    load,
    publish_targets,
    rebuild,
    require,
    update,
)
from toolkit.store import DirectoryStore
from toolkit.trust.model import Draft, Repository
from toolkit.trust.rotate import KeyChange, change_keys


@pytest.fixture
def keys() -> Keys:
    return make_keys(AGENT)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def at(store: MemoryStore, keys: Keys) -> Publisher:
    return publish_first(store, keys, AGENT)


def release(at: Publisher, version: str, agent: str = AGENT) -> Repository:
    return publish_targets(at.store, at.signers, {agent: [listed(version, agent)]}, at.now)


def versions(store: MemoryStore, keys: Keys) -> tuple[str, ...]:
    return catalog_of(require(store, keys.root), AGENT).versions


def test_the_first_set_is_read_by_a_real_client(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    assert store.written == [
        "metadata/1.root.json",
        "metadata/1.targets.json",
        "metadata/1.agentctl.json",
        f"metadata/1.{AGENT}.json",
        "metadata/1.snapshot.json",
        "metadata/timestamp.json",
    ]
    assert read_by_client(store.files, keys.root, f"{AGENT}-v1.tar.gz") == [None]


def test_a_release_is_found_by_a_real_client(at: Publisher, store: MemoryStore, keys: Keys) -> None:
    release(at, "1.0.0")
    found = read_by_client(store.files, keys.root, f"{AGENT}-v1.0.0.tar.gz", "other-v1.tar.gz")
    assert found == [listed("1.0.0").target, None]
    assert store.written[-1] == "metadata/timestamp.json"


def test_a_file_that_is_listed_already_changes_nothing(at: Publisher, store: MemoryStore) -> None:
    release(at, "1.0.0")
    count = len(store.written)
    release(at, "1.0.0")
    assert len(store.written) == count


def test_a_version_with_other_bytes_is_refused(at: Publisher) -> None:
    release(at, "1.0.0")
    other = {AGENT: [listed("1.0.0", data=b"other")]}
    with pytest.raises(ChannelError, match="other bytes"):
        publish_targets(at.store, at.signers, other, at.now)


def test_an_agent_without_a_role_is_told_how_to_get_one(at: Publisher) -> None:
    with pytest.raises(NotFoundError, match="no role signs for other") as caught:
        release(at, "1", agent="other")
    assert "toolkit keys add other --new" in caught.value.hint


@pytest.mark.parametrize("after", range(4))
def test_stopped_before_any_write_readers_see_the_old_set_and_the_next_run_finishes(
    at: Publisher, store: MemoryStore, keys: Keys, after: int
) -> None:
    release(at, "1.0.0")
    store.breaks_before = after
    if after < 3:
        with pytest.raises(StoreError, match="network"):
            release(at, "2.0.0")
        assert read_by_client(store.files, keys.root, f"{AGENT}-v2.0.0.tar.gz") == [None]
        assert versions(store, keys) == ("1.0.0",)
    store.breaks_before = None
    release(at, "2.0.0")
    assert versions(store, keys) == ("1.0.0", "2.0.0")
    wanted = listed("2.0.0").target
    assert read_by_client(store.files, keys.root, f"{AGENT}-v2.0.0.tar.gz") == [wanted]


@pytest.mark.parametrize("after", range(6))
def test_the_first_set_can_be_finished_after_an_interruption(keys: Keys, after: int) -> None:
    store = MemoryStore(breaks_before=after)
    with pytest.raises(StoreError, match="network"):
        publish_first(store, keys, AGENT)
    assert load(store, keys.root) is None
    store.breaks_before = None
    publish_first(store, keys, AGENT)
    assert read_by_client(store.files, keys.root, "x") == [None]


def test_the_second_of_two_publishers_starts_from_what_the_first_has_published(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    def meanwhile(upload: object) -> None:
        if getattr(upload, "name", "") == "metadata/timestamp.json":
            store.before_write = None
            release(at, "1.0.0")

    store.before_write = meanwhile
    release(at, "2.0.0")
    assert versions(store, keys) == ("1.0.0", "2.0.0")
    read_by_client(store.files, keys.root, "x")


def test_a_publisher_who_always_comes_second_gives_up(at: Publisher, store: MemoryStore) -> None:
    count = iter(range(100))

    def meanwhile(upload: object) -> None:
        if getattr(upload, "name", "") == "metadata/timestamp.json":
            kept, store.before_write = store.before_write, None
            release(at, f"1.0.{next(count)}")
            store.before_write = kept

    store.before_write = meanwhile
    with pytest.raises(ConflictError, match="could not be replaced"):
        release(at, "2.0.0")


def _publish_some(folder: Path, keys: Keys, major: int) -> None:
    for minor in range(5):
        at = Publisher(DirectoryStore(folder), keys, NOW)
        publish_targets(at.store, keys, {AGENT: [listed(f"{major}.{minor}")]}, NOW)


def test_two_processes_on_one_folder_lose_no_release(tmp_path: Path, keys: Keys) -> None:
    publish_first(DirectoryStore(tmp_path), keys, AGENT)
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=_publish_some, args=(tmp_path, keys, n)) for n in (1, 2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
        assert run.exitcode == 0
    found = catalog_of(require(DirectoryStore(tmp_path), keys.root), AGENT).versions
    assert found == tuple(f"{major}.{minor}" for major in (1, 2) for minor in range(5))


@pytest.mark.parametrize(
    "name", ["metadata/timestamp.json", "metadata/1.snapshot.json", "metadata/2.root.json"]
)
def test_what_cannot_be_read_stops_everything(at: Publisher, store: MemoryStore, name: str) -> None:
    store.unreadable.add(name)
    count = len(store.written)
    with pytest.raises(StoreError, match="could not read"):
        release(at, "1.0.0")
    assert len(store.written) == count


@pytest.mark.parametrize("name", ["timestamp", "1.snapshot", "1.targets", f"1.{AGENT}"])
@pytest.mark.parametrize("damage", ["garbage", "changed", "unsigned"])
def test_metadata_that_was_tampered_with_is_refused(
    at: Publisher, store: MemoryStore, keys: Keys, name: str, damage: str
) -> None:
    file = f"metadata/{name}.json"
    data = json.loads(store.files[file])
    if damage == "changed":
        data["signed"]["expires"] = "2099-01-01T00:00:00Z"
    if damage == "unsigned":
        data["signatures"] = []
    store.files[file] = b"{}" if damage == "garbage" else json.dumps(data).encode()
    with pytest.raises(TrustError, match="cannot be trusted"):
        require(store, keys.root)


def test_a_file_that_metadata_names_and_that_is_gone_is_said(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    del store.files["metadata/1.snapshot.json"]
    with pytest.raises(TrustError, match=r"1\.snapshot\.json is missing"):
        require(store, keys.root)


def test_endless_metadata_is_not_read(at: Publisher, store: MemoryStore, keys: Keys) -> None:
    store.files["metadata/timestamp.json"] = bytes(17 * 1024 * 1024)
    with pytest.raises(TrustError, match="17825792 bytes"):
        require(store, keys.root)


def test_another_roots_set_is_refused(at: Publisher, store: MemoryStore) -> None:
    with pytest.raises(TrustError, match="cannot be trusted"):
        require(store, make_keys(AGENT).root)


def test_expired_online_metadata_is_replaced_by_a_release(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    release(later(at, days=8), "1.0.0")
    timestamp = require(store, keys.root).timestamp.signed
    assert timestamp.expires == NOW + timedelta(days=9)


def test_a_release_that_hosts_would_refuse_is_not_published(
    at: Publisher, store: MemoryStore
) -> None:
    count = len(store.written)
    with pytest.raises(TrustError, match="targets expired") as caught:
        release(later(at, days=91), "1.0.0")
    assert "toolkit refresh" in caught.value.hint
    assert len(store.written) == count


def test_a_client_refuses_an_expired_set(keys: Keys) -> None:
    store = MemoryStore()
    publish_first(store, keys, AGENT, now=NOW - timedelta(days=2))
    with pytest.raises(ExpiredMetadataError):
        read_by_client(store.files, keys.root)


def test_without_a_key_nothing_is_written(at: Publisher, store: MemoryStore, keys: Keys) -> None:
    keys.by_role[AGENT].clear()
    count = len(store.written)
    with pytest.raises(MissingKeysError, match=f"{AGENT} lacks signatures"):
        release(at, "1.0.0")
    assert len(store.written) == count


def test_a_threshold_needs_so_many_keys() -> None:
    keys = make_keys(AGENT, root_keys=2, thresholds={"root": 2})
    store = MemoryStore()
    at = publish_first(store, keys, AGENT)
    new = keys.add("timestamp")
    lost = keys.by_role["root"].pop()
    change = KeyChange("timestamp", add=(new,))
    with pytest.raises(MissingKeysError, match="root lacks signatures"):
        update(at, lambda repository: change_keys(repository, [change]))
    keys.by_role["root"].append(lost)
    update(at, lambda repository: change_keys(repository, [change]))
    assert require(store, keys.root).root.signed.version == 2
    read_by_client(store.files, keys.root)


def rotate(at: Publisher, keys: Keys, role: str) -> Repository:
    """Put a new key in the place of all old ones, which are at hand only for this."""
    old = [each.public_key.keyid for each in keys.by_role[role]]
    change = KeyChange(role, add=(keys.add(role),), revoke=tuple(old))
    return update(at, lambda repository: change_keys(repository, [change]))


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", AGENT])
def test_a_key_can_be_replaced_and_old_hosts_follow(
    at: Publisher, store: MemoryStore, keys: Keys, role: str
) -> None:
    release(at, "1.0.0")
    old = [each.public_key.keyid for each in keys.by_role[role]]
    rotate(at, keys, role)
    keys.by_role[role] = [k for k in keys.by_role[role] if k.public_key.keyid not in old]
    release(at, "2.0.0")
    found = read_by_client(store.files, keys.root, f"{AGENT}-v2.0.0.tar.gz")
    assert found == [listed("2.0.0").target]


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", AGENT])
def test_stopped_anywhere_in_a_replacement_no_host_is_left_out(
    role: str,
) -> None:
    for after in range(20):
        keys = make_keys(AGENT)
        store = MemoryStore()
        at = publish_first(store, keys, AGENT)
        release(at, "1.0.0")
        store.breaks_before = after
        try:
            rotate(at, keys, role)
        except StoreError:
            found = read_by_client(store.files, keys.root, f"{AGENT}-v1.0.0.tar.gz")
            assert found == [listed("1.0.0").target], after
            store.breaks_before = None
            release(at, "2.0.0")
            read_by_client(store.files, keys.root)
        else:
            assert after >= 3
            return
    pytest.fail("it never ends")


def test_a_lost_online_key_is_replaced_without_it(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    release(at, "1.0.0")
    lost = keys.by_role["timestamp"].pop().public_key.keyid
    change = KeyChange("timestamp", add=(keys.add("timestamp"),), revoke=(lost,))
    update(at, lambda repository: change_keys(repository, [change]))
    found = read_by_client(store.files, keys.root, f"{AGENT}-v1.0.0.tar.gz")
    assert found == [listed("1.0.0").target]


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_stopped_while_a_lost_key_is_replaced_rebuild_finishes_it(role: str) -> None:
    refused = 0
    for after in range(20):
        keys, store = make_keys(AGENT), MemoryStore()
        at = publish_first(store, keys, AGENT)
        release(at, "1.0.0")
        lost = keys.by_role[role].pop()
        change = KeyChange(role, add=(keys.add(role),), revoke=(lost.public_key.keyid,))
        store.breaks_before = after
        try:
            update(at, lambda repository: change_keys(repository, [change]))  # noqa: B023
        except StoreError:
            store.breaks_before = None
            try:
                require(store, keys.root)
            except TrustError:
                rebuild(at)
                refused += 1
        else:
            # From the new root until the timestamp follows.
            assert refused > 0
            return
        update(at, lambda repository: change_keys(repository, [change]))  # noqa: B023
        release(at, "2.0.0")
        assert versions(store, keys) == ("1.0.0", "2.0.0")
        read_by_client(store.files, keys.root)
    pytest.fail("it never ends")


def test_a_publisher_with_the_old_key_in_the_middle_of_a_rotation_leaves_no_host_out(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    other = Keys(dict(keys.by_role), keys.root)

    def meanwhile(upload: object) -> None:
        if getattr(upload, "name", "") == "metadata/2.root.json":
            store.before_write = None
            publish_targets(store, other, {AGENT: [listed("1.0.0")]}, NOW)

    store.before_write = meanwhile
    rotate(at, keys, "timestamp")
    assert versions(store, keys) == ("1.0.0",)
    read_by_client(store.files, keys.root)


@pytest.mark.parametrize("damage", ["deleted", "garbage", "forged"])
def test_a_timestamp_that_was_taken_over_is_made_anew(
    at: Publisher, store: MemoryStore, keys: Keys, damage: str
) -> None:
    release(at, "1.0.0")
    before = require(store, keys.root).timestamp.signed.version
    file = "metadata/timestamp.json"
    if damage == "deleted":
        del store.files[file]
    elif damage == "garbage":
        store.files[file] = b"garbage"
    else:
        data = json.loads(store.files[file])
        data["signed"]["version"] = 100
        store.files[file] = json.dumps(data).encode()
    rebuild(at)
    after = require(store, keys.root)
    assert after.timestamp.signed.version >= (101 if damage == "forged" else before)
    assert versions(store, keys) == ("1.0.0",)


def test_a_role_would_not_be_left_without_keys(at: Publisher, keys: Keys) -> None:
    only = keys.by_role["root"][0].public_key.keyid
    with pytest.raises(SigningError, match="would have 0 keys"):
        update(at, lambda repository: change_keys(repository, [KeyChange("root", revoke=(only,))]))


def test_an_agents_role_can_be_added(at: Publisher, store: MemoryStore, keys: Keys) -> None:
    change = KeyChange("other", add=(keys.add("other"),))
    update(at, lambda repository: change_keys(repository, [change]))
    release(at, "1", agent="other")
    found = read_by_client(store.files, keys.root, "other-v1.tar.gz")
    assert found == [listed("1", "other").target]


def test_an_agents_key_vouches_for_no_other_agents_files(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    publish_targets(store, keys, {AGENT: [listed("1", "agentctl")]}, NOW)
    assert read_by_client(store.files, keys.root, "agentctl-v1.tar.gz") == [None]


def test_metadata_that_hosts_would_not_read_is_not_published(
    at: Publisher, store: MemoryStore
) -> None:
    before = dict(store.files)
    many = [listed(f"1.{number}.{'0' * 60}") for number in range(14_000)]
    with pytest.raises(TrustError, match="would have") as caught:
        publish_targets(store, at.signers, {AGENT: many}, NOW)
    assert f"toolkit prune {AGENT}" in caught.value.hint
    assert store.files == before


def test_an_empty_change_writes_nothing(at: Publisher, store: MemoryStore) -> None:
    count = len(store.written)
    update(at, lambda _: Draft())
    assert len(store.written) == count


def test_metadata_of_a_newer_format_is_not_changed(
    at: Publisher, store: MemoryStore, keys: Keys
) -> None:
    release(at, "1.0.0")

    def newer(repository: Repository) -> Draft:
        payload = Metadata[Targets].from_bytes(repository.roles[AGENT].to_bytes()).signed
        for file in payload.targets.values():
            file.unrecognized_fields["custom"]["schema"] = 2
        return Draft({AGENT: payload})

    update(at, newer)
    with pytest.raises(TrustError, match="of another format"):
        release(at, "2.0.0")
