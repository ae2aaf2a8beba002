"""An upgrade on a host moves what changed; where that does not work, the whole release comes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import Host
from tests.support.releases import SCRIPT, Released, install, publish, tiny_with_ballast
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.delta import Made, Wanted, make_deltas
from toolkit.host.target import Rollout, Tar, Target
from toolkit.install_script import Choices, render_for
from toolkit.progress import Silent
from toolkit.record import parse_description

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
OLD, NEW = "1.0.0", "1.1.0"
RELEASES = "/opt/tiny/releases"

Versions = tuple[Released, Released, Made]


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Two versions with the same two megabytes of ballast, and the delta between them."""
    top = tmp_path_factory.mktemp("deltas")
    old, new = (
        tiny_with_ballast(top / "project", top / "dist", version=version, seed="same")
        for version in (OLD, NEW)
    )
    [made] = make_deltas(Wanted("tiny", NEW), top / "dist", Silent())
    assert made.delta.file.size < 10_000
    assert made.whole > 2_000_000
    return old, new, made


@pytest.fixture
def signed(store: StoreServer, host: Host, versions: Versions) -> SignedStore:
    """A store whose channel `stable` has the older version, and a host with its script."""
    old, _, _ = versions
    signed = SignedStore(store.root)
    offer(signed, store, old)
    choices = Choices(url=store.url, root=signed.root_bytes(1), channel="stable")
    script = store.root / "install.sh"
    script.write_text(render_for(old.spec, old.dist, choices).text, "utf-8")
    host.put(script, SCRIPT, mode=0o755)
    return signed


def offer(
    signed: SignedStore, store: StoreServer, released: Released, made: Made | None = None
) -> None:
    """Publish all forms of a release, sign for them, and put it alone into the channel."""
    publish(released, store)
    artifact = released.artifact
    text = (released.dist / artifact.description).read_text("utf-8")
    tar = Tar(**asdict(parse_description(text, file=artifact.description).tar))
    common: dict[str, Any] = {
        "platform": artifact.platform,
        "tar": tar,
        "channels": {"stable": Rollout()},
    }
    version = artifact.version
    signed.roles["tiny"].signed.targets.clear()
    files = {
        artifact.tarball: release(version, **common),
        artifact.zstd: release(version, **common | {"compression": "zstd"}),
    }
    if made and made.path:
        source = asdict(made.delta.base)
        delta = Target("delta", "tiny", version, compression="zstd", source=source, **common)
        files[made.path.name] = delta
    for name, target in files.items():
        signed.add(name, (released.dist / name).read_bytes(), target)
    signed.publish()


def fetched(store: StoreServer, begin: int) -> list[str]:
    """Give the files of releases that hosts got or were refused since request number `begin`."""
    paths = (request.path.lstrip("/") for request in store.requests[begin:])
    return [path for path in paths if path.startswith("tiny-")]


def running(host: Host) -> str:
    done = host.run(["sudo", "/opt/tiny/agentctl", "status", "--json"], check=False)
    found = json.loads(done.stdout)
    return str(found["version"]) if found["healthy"] else "none"


def sizes(store: StoreServer, names: list[str]) -> int:
    return sum(Path(store.root, name).stat().st_size for name in names)


def test_an_upgrade_moves_no_more_than_the_delta(
    host: Host, store: StoreServer, signed: SignedStore, versions: Versions
) -> None:
    old, new, made = versions
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert running(host) == OLD
    assert fetched(store, 0) == [old.artifact.zstd]

    offer(signed, store, new, made)
    begin = len(store.requests)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert running(host) == NEW
    assert made.path
    assert fetched(store, begin) == [made.path.name]
    assert sizes(store, fetched(store, begin)) < 10_000
    assert "can't be used" not in done.stdout

    identity = (new.dist / f"{new.artifact.tarball}.sha256").read_text("ascii").split()[0]
    assert host.read(f"{RELEASES}/{NEW}/.complete").strip() == identity
    assert "no change" in install(host).stdout
    left = host.run(["ls", "-A", "/opt/tiny"], user="root").stdout.split()
    assert "incoming" not in left

    files = ["find", ".", "-type", "f", "-not", "-name", ".complete"]
    compare = " ".join(["cd", f"{RELEASES}/{NEW}", "&&", *files, "-exec", "sha256sum", "{}", "+"])
    by_delta = host.run(["sh", "-c", compare], user="root").stdout
    host.run(["rm", "-r", f"{RELEASES}/{OLD}", f"{RELEASES}/{NEW}"], user="root")
    begin = len(store.requests)
    assert install(host).returncode == 0
    assert fetched(store, begin) == [new.artifact.zstd]
    whole = host.run(["sh", "-c", compare], user="root").stdout
    assert sorted(by_delta.splitlines()) == sorted(whole.splitlines())


def test_a_damaged_installation_is_no_base(
    host: Host, store: StoreServer, signed: SignedStore, versions: Versions
) -> None:
    _, new, made = versions
    assert install(host).returncode == 0
    damage = f"chmod u+w {RELEASES}/{OLD}/ballast && printf x | dd of={RELEASES}/{OLD}/ballast"
    host.run(["sh", "-c", f"{damage} bs=1 seek=1000 conv=notrunc"], user="root")

    offer(signed, store, new, made)
    begin = len(store.requests)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert running(host) == NEW
    assert made.path
    assert fetched(store, begin) == [made.path.name, new.artifact.zstd]
    said = [line for line in done.stdout.splitlines() if "can't be used" in line]
    assert said == [
        f"[INFO] the delta from {OLD} can't be used, the whole release is fetched: "
        f"the files of {OLD} are not those of its release"
    ]


def test_a_host_without_zstd_takes_gzip(
    host: Host, store: StoreServer, signed: SignedStore, versions: Versions
) -> None:
    old, new, made = versions
    host.run(["sh", "-c", "rm $(command -v zstd)"], user="root")
    assert host.run(["python3", "-c", "import compression.zstd"], check=False).returncode != 0
    assert install(host).returncode == 0
    offer(signed, store, new, made)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert running(host) == NEW
    assert fetched(store, 0) == [old.artifact.tarball, new.artifact.tarball]
    assert "this host has no zstd" in done.stdout
