"""Signed metadata on real hosts, which have Python and no package cryptography."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Root, Timestamp

from tests.support.hosts import Host
from tests.support.releases import SCRIPT, Released, install, publish, tiny
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.host.target import Rollout
from toolkit.install_script import Choices, render_for

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("newer"), version="1.1.0")


@pytest.fixture
def signed(store: StoreServer, older: Released) -> SignedStore:
    """A store whose channel `stable` has the older release."""
    signed = SignedStore(store.root)
    offer(signed, store, older, channels={"stable": Rollout()})
    return signed


def offer(signed: SignedStore, store: StoreServer, released: Released, **more: Any) -> None:
    """Publish a release, and sign for it."""
    publish(released, store)
    file, spec = released.artifact.tarball, released.spec
    target = release(spec.release_version, platform=released.artifact.platform, **more)
    signed.add(file, (released.dist / file).read_bytes(), target)
    signed.publish()


def put_script(
    signed: SignedStore,
    store: StoreServer,
    host: Host,
    released: Released,
    *,
    channel: str = "stable",
    root: bytes = b"",
) -> None:
    """Put a script into the operator's home that trusts the store's first root."""
    choices = Choices(url=store.url, root=root or signed.root_bytes(1), channel=channel)
    script = released.dist / "install-trusted.sh"
    script.write_text(render_for(released.spec, released.dist, choices).text, "utf-8")
    host.put(script, SCRIPT, mode=0o755)


def version(host: Host) -> str:
    """Say which version runs and is healthy."""
    done = host.run(["sudo", "/opt/tiny/agentctl", "status", "--json"], check=False)
    found = json.loads(done.stdout)
    return str(found["version"]) if found["healthy"] else "none"


def test_a_channel_is_followed_with_nothing_but_python(
    signed: SignedStore, store: StoreServer, host: Host, older: Released, newer: Released
) -> None:
    assert host.run(["python3", "-c", "import cryptography"], check=False).returncode != 0
    put_script(signed, store, host, older)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"check the metadata of {store.url}" in done.stdout
    assert "Agent: tiny (channel stable)" in done.stdout
    assert version(host) == "1.0.0"
    again = install(host)
    assert "no change" in again.stdout, again.stdout + again.stderr

    signed.roles["tiny"].signed.targets.clear()
    offer(signed, store, older)
    offer(signed, store, newer, channels={"stable": Rollout()})
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert version(host) == "1.1.0"

    listing = host.run(["find", "/opt/tiny/trust", "-printf", "%U %m %y %P\n"], user="root").stdout
    kinds = {tuple(line.split()[:3]) for line in listing.splitlines()}
    assert kinds == {("0", "755", "d"), ("0", "644", "f"), ("0", "777", "l")}
    assert install(host, "uninstall").returncode == 0
    assert host.run(["ls", "/opt/tiny"], check=False).returncode != 0


def test_a_part_of_the_hosts_gets_a_staged_version(
    signed: SignedStore, store: StoreServer, host: Host, older: Released, newer: Released
) -> None:
    put_script(signed, store, host, older)
    offer(signed, store, newer, channels={"stable": Rollout(100, "2999-01-01T00:00:00Z")})
    assert install(host).returncode == 0
    assert version(host) == "1.0.0"
    offer(signed, store, newer, channels={"stable": Rollout(100, "2020-01-01T00:00:00Z")})
    assert install(host).returncode == 0
    assert version(host) == "1.1.0"


def test_attacks_are_refused_and_what_runs_runs_on(
    signed: SignedStore, store: StoreServer, host: Host, older: Released, newer: Released
) -> None:
    put_script(signed, store, host, older)
    assert install(host).returncode == 0

    def refused(code: int, text: str) -> None:
        done = install(host)
        assert done.returncode == code, done.stdout + done.stderr
        assert text in done.stderr
        assert version(host) == "1.0.0"

    with signed.put_back():
        signed.publish()
        assert install(host).returncode == 0
    refused(41, "serves older timestamp metadata than this host has seen")
    signed.timestamp.signed.version += 1
    signed.snapshot.signed.version += 1
    offer(signed, store, newer, channels={"stable": Rollout()})

    store.tamper(newer.artifact.tarball)
    refused(21, "is not the file that was published")
    store.heal()
    with (store.root / newer.artifact.tarball).open("ab") as file:
        file.write(b"more")
    refused(44, "bytes that were signed")
    publish(newer, store)
    with (signed.metadata / "timestamp.json").open("ab") as endless:
        endless.truncate(20_000_000)
    refused(44, "the store sends more for its timestamp metadata")
    signed.publish()
    store.tamper("tiny.json")
    refused(42, "tiny metadata is not what the metadata before it names")
    store.heal()
    assert install(host).returncode == 0
    assert version(host) == "1.1.0"


def test_a_version_that_was_taken_back(
    signed: SignedStore, store: StoreServer, host: Host, older: Released
) -> None:
    """Where it runs it stays; elsewhere it is refused, and nothing of it is left."""
    put_script(signed, store, host, older, channel="")
    assert install(host).returncode == 0
    offer(signed, store, older, yanked="it loses messages")
    assert install(host).returncode == 0
    assert install(host, "uninstall").returncode == 0
    done = install(host)
    assert done.returncode == 48
    assert "tiny 1.0.0 was taken back: it loses messages" in done.stderr


def test_roots_are_rotated_and_a_stolen_key_is_worth_nothing(
    signed: SignedStore, store: StoreServer, host: Host, older: Released, tmp_path: Path
) -> None:
    put_script(signed, store, host, older)
    assert install(host).returncode == 0
    stolen = signed.signers[Timestamp.type]
    for role in (Root.type, Timestamp.type, Root.type):
        signed.rotate(role)
    signed.publish()
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    put_script(signed, store, host, older, root=signed.root_bytes())
    assert install(host).returncode == 0

    fresh, signed.signers[Timestamp.type] = signed.signers[Timestamp.type], stolen
    signed.publish()
    done = install(host)
    assert done.returncode == 43
    assert "timestamp was signed by 0/1 keys" in done.stderr

    signed.signers[Timestamp.type] = fresh
    signed.publish()
    other = SignedStore(tmp_path / "other")
    put_script(signed, store, host, older, root=other.root_bytes())
    done = install(host)
    assert done.returncode == 47
    assert "is not the one that this host trusts" in done.stderr
    assert version(host) == "1.0.0"


def test_old_metadata_and_wrong_clocks(store: StoreServer, host: Host, older: Released) -> None:
    signed = SignedStore(store.root, age=timedelta(days=3))
    offer(signed, store, older, channels={"stable": Rollout()})
    put_script(signed, store, host, older)
    done = install(host)
    assert done.returncode == 40
    assert "timestamp metadata ran out on" in done.stderr
    assert "sign it anew" in done.stderr
    assert host.run(["ls", "/opt/tiny"], check=False).returncode != 0


def test_a_store_that_hangs_says_nothing_against_it(
    signed: SignedStore, store: StoreServer, host: Host, older: Released
) -> None:
    put_script(signed, store, host, older)
    assert install(host).returncode == 0
    before = host.run(["sha256sum", "/opt/tiny/trust/timestamp.json"]).stdout
    signed.publish()
    store.fail(503, path_suffix="snapshot.json")
    done = install(host)
    assert done.returncode == 20, done.stdout + done.stderr
    assert "snapshot metadata could not be fetched" in done.stderr
    assert version(host) == "1.0.0"
    store.heal()
    assert install(host).returncode == 0
    assert host.run(["sha256sum", "/opt/tiny/trust/timestamp.json"]).stdout != before
