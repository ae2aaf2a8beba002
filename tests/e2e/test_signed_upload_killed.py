"""A signed publication, and the move of a channel, killed before each of their requests in turn.

Those that only ask are left out unless CRASH_POINTS=all: see `cutting_proxy`.
What a host makes of the store then is asked of two real clients, each with no memory of the store
and with that of the time before: python-tuf's, and the one that agentctl is made of.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Targets

from tests.e2e.test_upload import AGENT, environment
from tests.e2e.test_upload_killed import copy_all, run, use, written
from tests.support.cutting_proxy import ALL, CuttingProxy, cutting_proxy
from tests.support.forked import ForkedToolkit, forked_toolkit
from tests.support.gateway import Gateway, gateway
from tests.support.tarballs import write_release
from tests.support.trusted import Client
from toolkit import __version__, engine
from toolkit.artifact import Artifact
from toolkit.host.choice import Host, Wanted
from toolkit.host.errors import UnknownTarget, Yanked
from toolkit.host.fetch import Source, download
from toolkit.host.target import parse_custom
from toolkit.host.tarwriter import Digest
from toolkit.host.trust import Trust
from toolkit.record import Description, dump_description
from toolkit.trust.model import ENGINE

pytestmark = pytest.mark.store

OLD = Artifact("beacon", "1.0.0", None)
NEW = Artifact("beacon", "1.1.0", None)
PROMOTE = ("promote", "beacon", "--channel", "stable")
# The states of the store from which what is killed sets out, each below a prefix of this name.
RELEASED, UPLOADED = "released", "uploaded"
MOST_REQUESTS = 150
FEW_KILLS = 11 if ALL else 5

# The SHA-256 and the channels of each file that the store's metadata names.
View = Mapping[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Case:
    """A command that is killed, where it sets out, and what a host sees before and after it."""

    words: tuple[str, ...]
    start: str
    old: View
    new: View


@dataclass(frozen=True)
class Bench:
    """A project with keys, whose requests to the gateway go through the proxy."""

    gateway: Gateway
    proxy: CuttingProxy
    toolkit: ForkedToolkit
    folder: Path

    @property
    def dist(self) -> Path:
        return self.folder / "release/dist"

    def use(self, prefix: str) -> None:
        use(self.folder, self.proxy.url, prefix)
        with (self.folder / "toolkit.toml").open("a") as file:
            file.write("[trust]\n")

    def run(self, *words: str, kill_at: int | None = None) -> int:
        return run(self.toolkit, self.proxy, self.folder, kill_at, words)

    def must(self, *words: str) -> None:
        assert self.run(*words) == 0, self.log()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def release(self, artifact: Artifact) -> None:
        """Write a release of two files that metadata names."""
        write_release(self.dist, artifact, artifact.version.encode())
        (self.dist / artifact.sbom).write_text(json.dumps({"version": artifact.version}))
        files = {
            path.name: Digest(path.stat().st_size, sha256(path.read_bytes()))
            for path in (self.dist / artifact.tarball, self.dist / artifact.sbom)
        }
        described = Description(artifact, 0, Digest(0, sha256(b"")), files)
        (self.dist / artifact.description).write_text(dump_description(described))

    def view(self, artifact: Artifact, *channels: str) -> View:
        """Give what a host is to see of a release, and of the agentctl that is there with it."""
        agentctl = engine.build()
        names = (artifact.tarball, artifact.sbom)
        return {
            agentctl.name: (sha256(agentctl.data), ()),
            **{name: (sha256((self.dist / name).read_bytes()), channels) for name in names},
        }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A project that has released 1.0.0 to stable, and then uploaded 1.1.0."""
    folder = tmp_path_factory.mktemp("project")
    with gateway() as running, cutting_proxy(running.url) as proxy:
        variables = environment(running.environment)
        with forked_toolkit(variables, folder / "log") as toolkit:
            bench = Bench(running, proxy, toolkit, folder)
            publish_first(bench, variables)
            yield bench


def publish_first(bench: Bench, variables: Mapping[str, str]) -> None:
    bench.gateway.create_bucket("killed")
    bench.release(OLD)
    (bench.folder / "release/beacon.toml").write_text(AGENT)
    bench.use(RELEASED)
    command = ["keys", "init", "--agent", "beacon", "--passphrase-fd", "0"]
    subprocess.run(
        [sys.executable, "-m", "toolkit", *command, "--project", str(bench.folder)],
        env=variables,
        input=b"correct horse\n",
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    bench.must("upload", "beacon", "1.0.0")
    bench.must(*PROMOTE, "1.0.0")
    bench.release(NEW)
    copy_all(bench.gateway, RELEASED, UPLOADED)
    bench.use(UPLOADED)
    bench.must("upload", "beacon", "1.1.0")


class Reader:
    """A host with its own memory of a store; each look is that of a new process."""

    def __init__(self, bench: Bench, home: Path, memory: "Reader | None" = None) -> None:
        self._gateway, self._home = bench.gateway, home
        self._root = (bench.folder / "keys/root.json").read_bytes()
        if memory:
            shutil.copytree(memory._home, home, symlinks=True)
        else:
            (home / "tuf").mkdir(parents=True)
            (home / "agent").mkdir()

    def see(self, prefix: str) -> View:
        """Fetch all that the metadata names, each file held against it; both clients agree."""
        url = f"{self._gateway.url}/killed/{prefix}"
        view = self._by_tuf(url)
        self._by_agentctl(url, view)
        return view

    def _by_tuf(self, url: str) -> View:
        folder = self._home / "tuf"
        updater = Client(url, self._root, folder).updater()
        updater.refresh()
        view = {}
        for role in ("beacon", ENGINE):
            updater.get_targetinfo(f"{role}-v0")  # nobody's file: this loads what the role says
            named = Metadata[Targets].from_file(str(folder / f"{role}.json")).signed.targets
            for name, file in named.items():
                assert updater.get_targetinfo(name) == file
                data = Path(updater.download_target(file)).read_bytes()
                assert sha256(data) == file.hashes["sha256"]
                channels = parse_custom(file.unrecognized_fields["custom"]).channels
                view[name] = (sha256(data), tuple(channels))
        return view

    def _by_agentctl(self, url: str, view: View) -> None:
        now = datetime.now(UTC)
        trust = Trust(self._home / "agent", url, self._root, lambda: now)
        host = Host("linux-x64", "1", None, __version__, now)
        trust.refresh()
        stable = trust.pick(Wanted("beacon", channel="stable"), host)
        assert view[stable.file] == (stable.sha256, ("stable",))
        for artifact in (OLD, NEW):
            wanted = Wanted("beacon", artifact.version)
            try:
                offer = trust.pick(wanted, host)
            except UnknownTarget:
                assert artifact.tarball not in view
                continue
            except Yanked:
                assert view[artifact.tarball][1] == ()
                continue
            assert artifact.tarball in view
            source = Source(f"{url}/{offer.file}", view[offer.file][0], offer.size)
            download(source, self._home / "tarball", lambda *_: None)
            (self._home / "tarball").unlink()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kill_before_each_request(bench: Bench, case: Case, hosts: Path) -> tuple[int, int]:
    """Return after how many kills a host saw the old repository, and after how many the new."""
    before = Reader(bench, hosts / "before")
    assert before.see(case.start) == case.old
    views: list[View] = []
    for kill_at in range(1, MOST_REQUESTS):
        prefix = f"{case.words[0]}-{kill_at}"
        copy_all(bench.gateway, case.start, prefix)
        bench.use(prefix)
        code = bench.run(*case.words, kill_at=kill_at)
        if code == 0:
            assert Reader(bench, hosts / "last").see(prefix) == case.new
            return views.count(case.old), views.count(case.new)
        assert code == -9, bench.log()
        stranger = Reader(bench, hosts / f"{kill_at}-stranger")
        regular = Reader(bench, hosts / f"{kill_at}-regular", before)
        views.append(stranger.see(prefix))
        assert views[-1] in (case.old, case.new), f"half of it after a kill at {kill_at}"
        assert regular.see(prefix) == views[-1]
        before_kill = written(bench.proxy.passed)
        bench.must(*case.words)
        sent = Counter(before_kill + written(bench.proxy.passed))
        assert set(sent.values()) <= {1}, f"sent again after a kill at {kill_at}: {sent}"
        latecomer = Reader(bench, hosts / f"{kill_at}-latecomer", before)
        for reader in (stranger, regular, latecomer):
            assert reader.see(prefix) == case.new, f"after a kill at {kill_at}"
    raise AssertionError("it never came to its end")


def test_an_upload_that_is_killed_leaves_the_old_repository_or_the_new(
    bench: Bench, tmp_path: Path
) -> None:
    old = bench.view(OLD, "stable")
    new = {**old, **bench.view(NEW)}
    case = Case(("upload", "beacon", "1.1.0"), RELEASED, old, new)
    saw_old, saw_new = kill_before_each_request(bench, case, tmp_path)
    assert saw_old > (20 if ALL else 8)
    # After the timestamp there are its reading back, and `latest` with its checksum.
    assert saw_new > (3 if ALL else 1)


def test_a_promotion_that_is_killed_leaves_the_channel_where_it_was_or_moved(
    bench: Bench, tmp_path: Path
) -> None:
    old = {**bench.view(OLD, "stable"), **bench.view(NEW)}
    new = {**bench.view(OLD), **bench.view(NEW, "stable")}
    saw_old, saw_new = kill_before_each_request(
        bench, Case((*PROMOTE, "1.1.0"), UPLOADED, old, new), tmp_path
    )
    assert saw_old >= FEW_KILLS
    assert saw_new > 0
