"""Bundles on hosts whose cable is cut: installed from one file, with the same proofs."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.hosts import BootHost, Host
from tests.support.releases import SCRIPT, Released, install, publish, tiny, tiny_with_ballast
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.bundle import Bundle, Signed, from_folder, from_store, write
from toolkit.host.target import Rollout
from toolkit.install_script import Choices, render_for
from toolkit.progress import Silent
from toolkit.store import DirectoryStore

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
Versions = tuple[Released, Released]
FILE = "/home/operator/tiny.bundle.tar"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def versions(plain: Released, tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return plain, tiny(tmp_path_factory.mktemp("newer"), version="1.1.0")


def offer(signed: SignedStore, released: Released, channel: str) -> None:
    file, spec = released.artifact.tarball, released.spec
    channels = {channel: Rollout()}
    target = release(spec.release_version, platform=released.artifact.platform, channels=channels)
    signed.add(file, (released.dist / file).read_bytes(), target)
    signed.publish()


@pytest.fixture
def signed(store: StoreServer, plain: Released) -> SignedStore:
    signed = SignedStore(store.root)
    offer(signed, plain, "stable")
    return signed


def pinned_bundle(released: Released, url: str) -> Bundle:
    dist = released.dist
    return from_folder(released.spec, (), dist, DirectoryStore(dist), Choices(url=url))


def signed_bundle(signed: SignedStore, released: Released, url: str) -> Bundle:
    root = signed.root_bytes(1)
    given = Signed(DirectoryStore(signed.folder), root, datetime.now(UTC))
    return from_store(released.spec, (), given, Choices(url=url, root=root, channel="stable"))


def put(bundle: Bundle, host: Host, tmp_path: Path) -> Path:
    """Bring a bundle to the host, and the script that is in it; gives the bundle here."""
    file = tmp_path / bundle.file
    write(bundle, file, Silent())
    host.put(file, FILE)
    host.run(["tar", "-xf", FILE, "install-tiny.sh"])
    host.run(["mv", "install-tiny.sh", SCRIPT])
    return file


@pytest.fixture
def alone(host: Host) -> Host:
    host.cut_network()
    return host


def nothing_left(host: Host) -> None:
    theirs = ["!", "-name", ".*-unix", "!", "-name", "systemd-private-*"]
    find = ["find", "/tmp", "-mindepth", "1", "-maxdepth", "1", *theirs]
    assert host.run(find, user="root").stdout == ""


def test_pinned_hashes(plain: Released, alone: Host, tmp_path: Path) -> None:
    put(pinned_bundle(plain, "https://cdn.example.com/agents"), alone, tmp_path)
    checked = install(alone, "--check", "--bundle", FILE)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1.0.0 would" in checked.stdout
    assert alone.run(["ls", "/opt"]).stdout == ""
    done = install(alone, f"--bundle={FILE}")
    assert done.returncode == 0, done.stdout + done.stderr
    state = json.loads(alone.read("/opt/tiny/state.json"))
    assert state["store"] == "https://cdn.example.com/agents"
    again = install(alone, "--bundle", "tiny.bundle.tar")
    assert "no change" in again.stdout, again.stdout + again.stderr
    assert "tiny 1.0.0" in alone.run(["sudo", plain.agentctl, "status"]).stdout
    nothing_left(alone)


def test_signed_metadata_and_later_upgrades_by_network_and_by_bundle(
    signed: SignedStore, store: StoreServer, versions: Versions, host: Host, tmp_path: Path
) -> None:
    plain, newer = versions
    put(signed_bundle(signed, plain, store.url), host, tmp_path)
    publish(newer, store)
    signed.roles["tiny"].signed.targets.clear()
    offer(signed, plain, "old")
    offer(signed, newer, "stable")
    host.cut_network()
    done = install(host, "--bundle", FILE)
    assert done.returncode == 0, done.stdout + done.stderr
    nothing_left(host)

    write(signed_bundle(signed, newer, store.url), tmp_path / "n.tar", Silent())
    host.put(tmp_path / "n.tar", FILE)
    words = ["sudo", plain.agentctl, "upgrade", "--watch", "1", "--bundle", FILE]
    done = host.run(words, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tiny 1.1.0" in host.run(["sudo", plain.agentctl, "status"]).stdout

    put(signed_bundle(signed, newer, store.url), host, tmp_path)
    host.run(["sudo", plain.agentctl, "rollback", "--watch", "1"])
    host.restore_network()
    seen = len(store.requests)
    done = host.run(["sudo", plain.agentctl, "upgrade", "--watch", "1", "--again"], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(store.requests) > seen


def test_a_bundle_older_than_what_the_host_has_seen(
    signed: SignedStore, store: StoreServer, plain: Released, host: Host, tmp_path: Path
) -> None:
    publish(plain, store)
    put(signed_bundle(signed, plain, store.url), host, tmp_path)
    signed.publish()
    assert install(host).returncode == 0
    done = install(host, "--bundle", FILE)
    assert done.returncode == 41, done.stdout + done.stderr
    assert "make a new one where the store is reached" in done.stderr


def test_what_can_be_wrong_with_a_bundle(plain: Released, alone: Host, tmp_path: Path) -> None:
    file = put(pinned_bundle(plain, "https://cdn.example.com/agents"), alone, tmp_path)
    data = file.read_bytes()

    def said(data: bytes, code: int) -> str:
        (tmp_path / "changed").write_bytes(data)
        alone.put(tmp_path / "changed", FILE)
        done = install(alone, "--bundle", FILE)
        assert done.returncode == code, done.stdout + done.stderr
        assert alone.run(["ls", "/opt"]).stdout == ""
        return done.stderr

    assert "damaged, or was cut off" in said(data[:100_000], 21)
    assert "damaged, or was cut off" in said(data[:-15_000], 21)
    at = data.rindex(b"\x1f\x8b") + 200  # in the tarball
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert f"{plain.artifact.tarball} was changed" in said(changed, 21)
    at = 700_000 if len(data) > 1_400_000 else len(data) // 2  # in agentctl
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert "agentctl is not the file" in said(changed, 21)
    assert "damaged, or was cut off" in said(b"", 21)

    spec = plain.spec.model_copy(update={"name": "other"})
    shutil.copytree(plain.dist, tmp_path / "dist")
    for path in (tmp_path / "dist").glob("tiny-*"):
        path.rename(path.with_name(path.name.replace("tiny-", "other-")))
    other = Released(spec, tmp_path / "dist", plain.artifact)
    write(pinned_bundle(other, "https://a"), tmp_path / "o.tar", Silent())
    assert "is a bundle of other, not of tiny" in said((tmp_path / "o.tar").read_bytes(), 2)

    missing = install(alone, "--bundle", "/nowhere")
    assert (missing.returncode, "can't be read" in missing.stderr) == (2, True)
    nothing_left(alone)


def test_no_room(
    boot_host: BootHost, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    project, dist = tmp_path_factory.mktemp("ballast"), tmp_path_factory.mktemp("dist")
    big = tiny_with_ballast(project, dist, version="1.0.0")
    host = boot_host(network=False, tmpfs={"/opt": "3m", "/small": "200k"})
    put(pinned_bundle(big, "https://a"), host, tmp_path)
    host.run(["chmod", "1777", "/small"], user="root")
    done = install(host, "--bundle", FILE, TMPDIR="/small")
    assert done.returncode == 22, done.stdout + done.stderr
    assert "there is no room in /small" in done.stderr
    done = install(host, "--bundle", FILE)
    assert done.returncode == 22, done.stdout + done.stderr
    assert "the disk is full" in done.stderr
    host.run(["mount", "-o", "remount,size=64m", "/opt"], user="root")
    assert install(host, "--bundle", FILE).returncode == 0
    nothing_left(host)


def test_a_script_without_a_bundle_stays_as_it_was(
    plain: Released, store: StoreServer, host: Host
) -> None:
    publish(plain, store)
    script = plain.dist / "install.sh"
    script.write_text(render_for(plain.spec, plain.dist, Choices(store.url)).text, "utf-8")
    host.put(script, SCRIPT, mode=0o755)
    assert install(host).returncode == 0
    assert install(host, "status").returncode == 0
    assert install(host, "--uninstall").returncode == 0
    assert install(host, "status").returncode == 4
