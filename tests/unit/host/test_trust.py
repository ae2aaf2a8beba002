"""What a host believes of a store, against a real HTTP server and metadata by python-tuf itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from tests.support.drip import drip
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.host import metadata
from toolkit.host.choice import Host, Offer, Wanted
from toolkit.host.errors import (
    AgentctlError,
    BadMetadata,
    ClockWrong,
    DownloadFailed,
    EndlessData,
    Expired,
    MixedUp,
    NotSigned,
    OtherRoot,
    RolledBack,
    TooOld,
    UnknownTarget,
)
from toolkit.host.files import write_atomic
from toolkit.host.trust import Trust

TARBALL = "tiny-v1.0.0.tar.gz"
DATA = b"a tarball"


def published(folder: Path, *, hashes: bool = True, age: timedelta = timedelta()) -> SignedStore:
    signed = SignedStore(folder, hashes=hashes, age=age)
    signed.add(TARBALL, DATA, release("1.0.0"))
    signed.publish()
    return signed


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "PAUSES", (0.01, 0.01))


@pytest.fixture
def signed(tmp_path: Path) -> SignedStore:
    return published(tmp_path / "store")


@pytest.fixture
def server(signed: SignedStore) -> Iterator[StoreServer]:
    with StoreServer(signed.folder) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def now() -> datetime:
    return datetime.now(UTC)


def off_by(**span: float) -> Callable[[], datetime]:
    return lambda: now() + timedelta(**span)


def here(clock: Callable[[], datetime] = now) -> Host:
    return Host("linux-x64", "0123", None, "0.1.0", clock())


def pick(
    home: Path, store: str, root: bytes, version: str = "1.0.0", clock: Callable[[], datetime] = now
) -> Offer:
    return Trust(home, store, root, clock).pick(Wanted("tiny", version), here(clock))


def fault(
    kind: type[AgentctlError],
    home: Path,
    store: str,
    root: bytes,
    clock: Callable[[], datetime] = now,
) -> AgentctlError:
    """Have a refresh refused as `kind` and nothing else, and give the error."""
    with pytest.raises(AgentctlError) as caught:
        pick(home, store, root, clock=clock)
    assert type(caught.value) is kind, caught.value.message
    assert caught.value.hint
    return caught.value


def version_of(home: Path, role: str) -> int:
    data = json.loads((home / "trust" / f"{role}.json").read_bytes())
    return int(data["signed"]["version"])


def test_what_was_signed_is_believed(home: Path, server: StoreServer, signed: SignedStore) -> None:
    offer = pick(home, server.url, signed.root_bytes())
    assert (offer.file, offer.size) == (TARBALL, len(DATA))
    assert offer.target.version == "1.0.0"
    assert version_of(home, "root") == 1
    assert [path.name for path in home.iterdir()] == ["trust"]


def test_a_second_refresh_asks_for_two_files(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    pick(home, server.url, signed.root_bytes())
    server.requests.clear()
    pick(home, server.url, signed.root_bytes())
    asked = [request.path for request in server.requests]
    assert asked == ["/metadata/2.root.json", "/metadata/timestamp.json"]


def test_a_folder_of_this_host_is_a_store_too(home: Path, signed: SignedStore) -> None:
    assert pick(home, str(signed.folder), signed.root_bytes()).file == TARBALL


def test_nobody_but_the_owner_may_write_what_is_trusted(home: Path, signed: SignedStore) -> None:
    umask = os.umask(0o002)
    try:
        pick(home, str(signed.folder), signed.root_bytes())
    finally:
        os.umask(umask)
    for path in (home / "trust", *(home / "trust").rglob("*")):
        assert not path.stat().st_mode & 0o022, path


# Replay, freeze, mix-and-match.


def test_a_replay_is_refused(home: Path, server: StoreServer, signed: SignedStore) -> None:
    with signed.put_back():
        signed.publish()
        pick(home, server.url, signed.root_bytes())
    error = fault(RolledBack, home, server.url, signed.root_bytes())
    assert "older timestamp metadata than this host has seen" in error.message
    assert "replays an old copy" in error.hint


def test_a_replayed_snapshot_under_a_new_timestamp_is_refused(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    """Who holds the timestamp's key alone can't bring old releases back."""
    old = signed.timestamp.signed.snapshot_meta
    signed.publish()
    pick(home, server.url, signed.root_bytes())
    signed.timestamp.signed.snapshot_meta = old
    signed.timestamp.signed.version += 1
    signed.write_timestamp()
    error = fault(RolledBack, home, server.url, signed.root_bytes())
    assert "New snapshot version must be >=" in error.message


@pytest.mark.parametrize("how", ["older", "removed"])
def test_a_snapshot_that_takes_a_role_back_is_refused(
    how: str, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    """Who holds the keys of timestamp and snapshot can't bring an agent's old releases back."""
    old = signed.snapshot.signed.meta["tiny.json"]
    signed.publish()
    pick(home, server.url, signed.root_bytes())
    if how == "older":
        signed.snapshot.signed.meta["tiny.json"] = old
    else:
        del signed.snapshot.signed.meta["tiny.json"]
    signed.publish_snapshot()
    fault(RolledBack, home, server.url, signed.root_bytes())


def test_a_freeze_is_refused(home: Path, tmp_path: Path) -> None:
    signed = published(tmp_path / "old", age=timedelta(days=3))
    with StoreServer(signed.folder) as server:
        error = fault(Expired, home, server.url, signed.root_bytes())
    assert "timestamp metadata ran out on" in error.message
    assert "freeze" in error.hint
    assert not (home / "trust").exists()


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "tiny"])
def test_each_role_runs_out(
    role: str, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    metas: dict[str, Metadata[Any]] = {
        "root": signed.root,
        "timestamp": signed.timestamp,
        "snapshot": signed.snapshot,
        "targets": signed.targets,
        "tiny": signed.roles["tiny"],
    }
    metas[role].signed.expires = (now() - timedelta(hours=1)).replace(microsecond=0)
    signed.write_root()
    signed.publish()
    error = fault(Expired, home, server.url, signed.root_bytes())
    assert f"{role} metadata ran out" in error.message


@pytest.mark.parametrize("hashes", [True, False])
def test_a_snapshot_of_another_publication_is_refused(
    hashes: bool, home: Path, tmp_path: Path
) -> None:
    signed = published(tmp_path / "mixed", hashes=hashes)
    folder = signed.metadata
    shutil.copy(folder / "2.snapshot.json", folder / "3.snapshot.json")
    error = fault(MixedUp, home, str(signed.folder), signed.root_bytes())
    assert "is not what the metadata before it names" in error.message


@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize("role", ["targets", "tiny"])
def test_releases_of_another_publication_are_refused(
    role: str, hashes: bool, home: Path, tmp_path: Path
) -> None:
    signed = published(tmp_path / "mixed", hashes=hashes)
    shutil.copy(signed.metadata / f"2.{role}.json", signed.metadata / f"3.{role}.json")
    error = fault(MixedUp, home, str(signed.folder), signed.root_bytes())
    assert f"{role} metadata" in error.message
    assert "run it again in a minute" in error.hint


# Sizes and times.


@pytest.mark.parametrize(("name", "limit"), [("timestamp.json", 16_384), ("2.root.json", 512_000)])
def test_endless_data_is_cut_off(
    name: str, limit: int, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    with (signed.metadata / name).open("wb") as file:
        file.truncate(1_000_000_000)  # a hole: it takes no room on the disk
    error = fault(EndlessData, home, server.url, signed.root_bytes())
    assert str(limit) in error.message


def test_more_than_was_signed_is_not_read(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    with (signed.metadata / "3.snapshot.json").open("ab") as file:
        file.write(b" " * 1000)
    fault(EndlessData, home, server.url, signed.root_bytes())


def test_slow_retrieval_ends(
    home: Path, signed: SignedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "SECONDS", 0.5)
    with drip(every=0.05) as url:
        error = fault(DownloadFailed, home, url, signed.root_bytes())
    assert "did not arrive within 0.5 s" in error.message


def test_a_store_that_says_nothing_is_not_waited_for_for_ever(
    home: Path, server: StoreServer, signed: SignedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "TIMEOUT", 0.1)
    server.hang("timestamp.json", after=10)
    error = fault(DownloadFailed, home, server.url, signed.root_bytes())
    assert error.exit_code == 20


# Network faults, which say nothing of anybody's honesty.


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_tried_again(
    status: int, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    server.fail(status, path_suffix="timestamp.json", times=2)
    pick(home, server.url, signed.root_bytes())
    server.fail(status, path_suffix="timestamp.json")
    error = fault(DownloadFailed, home, server.url, signed.root_bytes())
    assert str(status) in error.message


def test_a_connection_that_breaks_off_is_tried_again(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    server.truncate("snapshot.json", after=100, times=2)
    pick(home, server.url, signed.root_bytes())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_store_without_metadata_is_named(
    status: int, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    server.fail(status, path_suffix="timestamp.json")
    error = fault(DownloadFailed, home, server.url, signed.root_bytes())
    assert str(status) in error.message
    assert "timestamp metadata could not be fetched" in error.message


def test_no_network(home: Path, signed: SignedStore) -> None:
    error = fault(DownloadFailed, home, "http://127.0.0.1:9", signed.root_bytes())
    assert "network" in error.hint


# Signatures.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "tiny"])
def test_too_few_signatures_are_refused(
    role: str, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    """Two keys must sign, and one did."""
    other = CryptoSigner.generate_ed25519().public_key
    if role == "tiny":
        signed.targets.signed.add_key(other, role)
        delegations = signed.targets.signed.delegations
        assert delegations is not None
        assert delegations.roles is not None
        delegations.roles[role].threshold = 2
    else:
        signed.root.signed.add_key(other, role)
        signed.root.signed.roles[role].threshold = 2
        signed.root.signed.version += 1
        signed.write_root()
    signed.publish()
    error = fault(NotSigned, home, server.url, signed.root_bytes())
    assert f"{role} was signed by 1/2 keys" in error.message


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "tiny"])
def test_changed_metadata_is_refused(role: str, home: Path, tmp_path: Path) -> None:
    """No hash names it here, so that its signature alone must tell."""
    signed = published(tmp_path / "changed", hashes=False)
    name = "timestamp.json" if role == "timestamp" else f"3.{role}.json"
    file = signed.metadata / name
    data = json.loads(file.read_bytes())
    data["signed"]["expires"] = "2099-01-01T00:00:00Z"
    file.write_text(json.dumps(data), "utf-8")
    error = fault(NotSigned, home, str(signed.folder), signed.root_bytes())
    assert f"{role} was signed by 0/1 keys" in error.message


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "3.tiny.json"])
def test_a_flipped_bit_is_refused(
    name: str, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    server.tamper(name)
    with pytest.raises((NotSigned, MixedUp, BadMetadata)):
        pick(home, server.url, signed.root_bytes())


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "<html>", "[" * 16_000])
def test_what_is_no_metadata_is_named(text: str, home: Path, signed: SignedStore) -> None:
    (signed.metadata / "timestamp.json").write_text(text, "utf-8")
    error = fault(BadMetadata, home, str(signed.folder), signed.root_bytes())
    assert "timestamp metadata can't be used" in error.message


# Roots.


def test_the_root_is_rotated_several_times(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    first = signed.root_bytes()
    pick(home, server.url, first)
    for role in (Root.type, Root.type, Targets.type, Root.type):
        signed.rotate(role)
    signed.publish()
    pick(home, server.url, first)
    assert version_of(home, "root") == 5
    for version in range(1, 6):
        pick(home, server.url, signed.root_bytes(version))


def test_a_root_that_the_old_one_did_not_sign_is_refused(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    first = signed.root_bytes()
    pick(home, server.url, first)
    signed.signers[Root.type] = [CryptoSigner.generate_ed25519()]
    for key in list(signed.root.signed.roles[Root.type].keyids):
        signed.root.signed.revoke_key(key, Root.type)
    signed.root.signed.add_key(signed.signers[Root.type][0].public_key, Root.type)
    signed.root.signed.version += 1
    signed.write_root()
    error = fault(NotSigned, home, server.url, first)
    assert "root was signed by 0/1 keys" in error.message
    assert version_of(home, "root") == 1


def test_an_older_root_under_the_next_number_is_refused(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    shutil.copy(signed.metadata / "1.root.json", signed.metadata / "2.root.json")
    error = fault(RolledBack, home, server.url, signed.root_bytes(1))
    assert "Expected root version 2" in error.message


def test_the_first_root_stays(home: Path, tmp_path: Path, signed: SignedStore) -> None:
    pick(home, str(signed.folder), signed.root_bytes())
    other = published(tmp_path / "other")
    error = fault(OtherRoot, home, str(other.folder), other.root_bytes())
    assert "is not the one that this host trusts" in error.message
    assert f"remove {home / 'trust'}" in error.hint
    fault(OtherRoot, home, str(signed.folder), other.root_bytes())
    pick(home, str(signed.folder), signed.root_bytes())


def test_a_newer_root_that_nothing_leads_to_is_refused(
    home: Path, tmp_path: Path, signed: SignedStore
) -> None:
    pick(home, str(signed.folder), signed.root_bytes())
    other = published(tmp_path / "other")
    other.rotate(Root.type)
    error = fault(OtherRoot, home, str(signed.folder), other.root_bytes())
    assert "nothing in the store leads from there to the given version 2" in error.message


def test_an_older_root_than_the_first_one_must_lead_to_it(
    home: Path, tmp_path: Path, signed: SignedStore
) -> None:
    for _ in range(3):
        signed.rotate(Root.type)
    signed.publish()
    pick(home, str(signed.folder), signed.root_bytes(3))
    pick(home, str(signed.folder), signed.root_bytes(1))
    other = published(tmp_path / "other")
    error = fault(OtherRoot, home, str(signed.folder), other.root_bytes())
    assert "does not lead to the one that this host trusts" in error.message


def test_a_root_that_this_host_no_longer_keeps_must_lead_to_one_that_it_does(
    home: Path, signed: SignedStore
) -> None:
    for _ in range(2):
        signed.rotate(Root.type)
    signed.publish()
    pick(home, str(signed.folder), signed.root_bytes(1))
    (home / "trust" / "root_history" / "2.root.json").unlink()
    pick(home, str(signed.folder), signed.root_bytes(2))


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_a_stolen_online_key_is_worth_nothing_after_a_new_root(
    role: str, home: Path, server: StoreServer, signed: SignedStore
) -> None:
    pick(home, server.url, signed.root_bytes())
    stolen = signed.signers[role]
    signed.rotate(role)
    signed.publish()
    pick(home, server.url, signed.root_bytes(1))
    signed.signers[role] = stolen
    signed.publish()
    error = fault(NotSigned, home, server.url, signed.root_bytes(1))
    assert f"{role} was signed by 0/1 keys" in error.message


def test_versions_that_a_thief_drove_up_are_forgotten_with_his_keys(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    """A fast-forward attack: without a new root, no honest version would ever be high enough."""
    with signed.put_back():
        honest = signed.timestamp.signed.version, signed.snapshot.signed.version
        signed.timestamp.signed.version = signed.snapshot.signed.version = 2**31
        signed.publish()
        pick(home, server.url, signed.root_bytes())
    signed.timestamp.signed.version, signed.snapshot.signed.version = honest
    signed.rotate(Timestamp.type)
    signed.rotate(Snapshot.type)
    signed.publish()
    pick(home, server.url, signed.root_bytes(1))
    assert version_of(home, "timestamp") == honest[0] + 1


@pytest.mark.parametrize("data", [b"", b"{}", b"not json", b"\xff\xfe"])
def test_a_given_root_that_is_none_is_named(data: bytes, home: Path, signed: SignedStore) -> None:
    error = fault(BadMetadata, home, str(signed.folder), data)
    assert "the given root is no root metadata" in error.message


def test_a_given_root_that_was_changed_is_refused(home: Path, signed: SignedStore) -> None:
    root = json.loads(signed.root_bytes())
    root["signed"]["roles"]["timestamp"]["threshold"] = 2
    error = fault(BadMetadata, home, str(signed.folder), json.dumps(root).encode())
    assert "root was signed by 0/1 keys" in error.message


def test_how_a_root_is_spaced_says_nothing(home: Path, signed: SignedStore) -> None:
    pick(home, str(signed.folder), signed.root_bytes())
    spaced = json.dumps(json.loads(signed.root_bytes()), indent=4).encode()
    pick(home, str(signed.folder), spaced)


# What stands on the host.


def test_a_refused_first_refresh_leaves_nothing(home: Path, signed: SignedStore) -> None:
    (signed.metadata / "3.tiny.json").unlink()
    (signed.metadata / "3.targets.json").unlink()
    fault(DownloadFailed, home, str(signed.folder), signed.root_bytes())
    assert list(home.iterdir()) == []


class Stopped(BaseException):
    """A kill, as far as a process can do that to itself."""


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("stop", range(8))
def test_stopped_at_any_write_the_old_trust_holds(
    stop: int, first: bool, home: Path, signed: SignedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write in turn never happens; the next run comes to the new state by itself."""
    root = signed.root_bytes()
    if not first:
        pick(home, str(signed.folder), root)
        signed.rotate(Root.type)
        signed.rotate(Root.type)
        signed.publish()
    left = [stop]

    def write(path: Path, data: bytes, mode: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped
        write_atomic(path, data, mode)

    monkeypatch.setattr("toolkit.host.tufclient.write_atomic", write)
    try:
        pick(home, str(signed.folder), root)
    except Stopped:
        # A first refresh is taken for good whole or not at all; stop 4 comes after it.
        assert (home / "trust").exists() == (not first or stop == 4)
        assert stop < 4 or version_of(home, "root")
    else:
        assert stop >= 4
    monkeypatch.setattr("toolkit.host.tufclient.write_atomic", write_atomic)
    pick(home, str(signed.folder), root)
    assert version_of(home, "root") == (1 if first else 3)


@pytest.mark.parametrize("lost", ["root.json", "root_history/1.root.json"])
def test_a_lost_root_is_not_replaced_by_whatever_comes(
    lost: str, home: Path, signed: SignedStore
) -> None:
    pick(home, str(signed.folder), signed.root_bytes())
    (home / "trust" / lost).unlink()
    error = fault(BadMetadata, home, str(signed.folder), signed.root_bytes())
    assert "root.json is damaged" in error.message


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json", "tiny.json"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 100])
def test_damage_of_what_is_kept_heals_by_itself(
    name: str, damage: bytes, home: Path, signed: SignedStore
) -> None:
    pick(home, str(signed.folder), signed.root_bytes())
    good = (home / "trust" / name).read_bytes()
    (home / "trust" / name).write_bytes(damage)
    pick(home, str(signed.folder), signed.root_bytes())
    assert (home / "trust" / name).read_bytes() == good


def test_a_damaged_root_is_not_replaced_by_itself(home: Path, signed: SignedStore) -> None:
    pick(home, str(signed.folder), signed.root_bytes())
    (home / "trust" / "root.json").write_bytes(b"")
    error = fault(BadMetadata, home, str(signed.folder), signed.root_bytes())
    assert "root.json is damaged" in error.message


# Clocks.


def test_a_clock_far_ahead_is_named(home: Path, server: StoreServer, signed: SignedStore) -> None:
    error = fault(ClockWrong, home, server.url, signed.root_bytes(), off_by(days=900))
    assert "ran out" in error.message
    assert "by this host's clock" in error.message
    assert "set the clock" in error.hint


def test_a_clock_behind_the_stores_is_named(
    home: Path, server: StoreServer, signed: SignedStore
) -> None:
    error = fault(ClockWrong, home, server.url, signed.root_bytes(), off_by(days=-2))
    assert "by a clock that is behind, old metadata looks new" in error.message


def test_a_clock_before_the_signing_is_named(home: Path, signed: SignedStore) -> None:
    signed.timestamp.signed.unrecognized_fields["signed_at"] = now().strftime("%Y-%m-%dT%H:%M:%SZ")
    signed.publish()
    error = fault(ClockWrong, home, str(signed.folder), signed.root_bytes(), off_by(hours=-1))
    assert "was signed on" in error.message
    pick(home, str(signed.folder), signed.root_bytes())


def test_a_clock_that_went_back_is_named(home: Path, signed: SignedStore) -> None:
    pick(home, str(signed.folder), signed.root_bytes(), clock=off_by(hours=20))
    pick(home, str(signed.folder), signed.root_bytes())
    error = fault(ClockWrong, home, str(signed.folder), signed.root_bytes(), off_by(days=-2))
    assert "already" in error.message
    assert "refreshed.json" in error.hint


# Who may speak for what.


def test_an_agent_that_nobody_signed_for(home: Path, signed: SignedStore) -> None:
    trust = Trust(home, str(signed.folder), signed.root_bytes(), now)
    with pytest.raises(UnknownTarget) as caught:
        trust.pick(Wanted("nobody", "1.0.0"), here())
    assert "knows no agent called nobody" in caught.value.message
    assert "tiny" in caught.value.hint


def test_an_agents_key_speaks_for_its_own_files_alone(home: Path, tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store", ("tiny", "other"))
    signed.add("other-v1.0.0.tar.gz", DATA, release("1.0.0"))  # named by tiny's role
    signed.publish()
    with pytest.raises(UnknownTarget):
        pick(home, str(signed.folder), signed.root_bytes())


def test_a_version_that_was_not_signed(home: Path, signed: SignedStore) -> None:
    with pytest.raises(UnknownTarget) as caught:
        pick(home, str(signed.folder), signed.root_bytes(), "9.9.9")
    assert "has no tiny 9.9.9" in caught.value.message
    assert "1.0.0" in caught.value.hint


def test_what_is_written_in_a_newer_format_says_so(home: Path, signed: SignedStore) -> None:
    signed.add("tiny-v2.0.0.tar.gz", DATA, release("2.0.0"))
    files = signed.roles["tiny"].signed.targets
    files["tiny-v2.0.0.tar.gz"].custom["schema"] = 2
    signed.publish()
    pick(home, str(signed.folder), signed.root_bytes())
    with pytest.raises(TooOld) as caught:
        pick(home, str(signed.folder), signed.root_bytes(), "2.0.0")
    assert "format is 2" in caught.value.message


def test_a_role_may_be_new_to_the_store(home: Path, signed: SignedStore) -> None:
    assert isinstance(signed.targets, Metadata)
    pick(home, str(signed.folder), signed.root_bytes())
    for _ in range(3):
        signed.publish()
    pick(home, str(signed.folder), signed.root_bytes())
    assert version_of(home, "tiny") == signed.roles["tiny"].signed.version
