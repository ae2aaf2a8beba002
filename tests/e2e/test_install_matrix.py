"""The install script on all kinds of hosts: any two of their traits meet in one case at least."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.forward_proxy import forward_proxy
from tests.support.hosts import Host, stopped
from tests.support.images import suites
from tests.support.pairs import Case, all_pairs, pairs_of
from tests.support.releases import SCRIPT, Released, publish, tiny
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.bundle import Signed, from_store, write
from toolkit.host.target import Rollout
from toolkit.install_script import Choices, render_for
from toolkit.progress import Silent
from toolkit.store import DirectoryStore

pytestmark = pytest.mark.hosts
FACTORS = {
    "then": ("again", "other version", "SIGINT", "SIGKILL"),
    "sudo": ("password", "free", "none", "systemd-user"),
    "way": ("direct", "proxy", "bundle"),
    "umask": ("022", "027", "077"),
    "tool": ("curl", "wget"),
    "system": suites(),
}
CASES = all_pairs(FACTORS)
PASSWORD = "correct horse"
TOKEN = "what-only-its-user-may-read"
TYPIST = Path(__file__).parent.parent / "support" / "typist.py"
# Without sudo, in a folder of one's own: under `direct`, or one's own systemd.
HOMES = {"none": "/home/operator/tiny", "systemd-user": "/home/operator/.local/share/tiny"}
NOTE = "/home/operator/typist.pid"
BEHIND = "store.test"
# What others than the service's user have no business with.
CLOSED = {".env", ".lock", "credentials", "logs", "workspace", "run"}


def test_the_cases_cover_all_pairs_and_are_few() -> None:
    every = {pair for case in CASES for pair in pairs_of(case)}
    names = list(FACTORS)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            for one in FACTORS[first]:
                assert {((first, one), (second, other)) for other in FACTORS[second]} <= every
    assert len(CASES) <= 20


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Released]:
    return [
        tiny(
            tmp_path_factory.mktemp(f"v{number}"),
            version=f"1.{number}.0",
            required=["TINY_TOKEN"],
            secret=["TINY_TOKEN"],
            managers=["systemd", "systemd-user", "direct"],
        )
        for number in (0, 1)
    ]


@dataclass(frozen=True)
class Matrix:
    """One case under way: the host, what serves it, and how the script is called."""

    case: Case
    host: Host
    store: StoreServer
    signed: SignedStore
    env: dict[str, str]

    @property
    def home(self) -> str:
        return HOMES.get(self.case["sudo"], "/opt/tiny")

    def argv(self, version: str) -> list[str]:
        call = f"umask {self.case['umask']} && exec {SCRIPT} --version {version}"
        if self.case["way"] == "bundle":
            call += f" --bundle /home/operator/{version}.tar"
        password = PASSWORD if self.case["sudo"] == "password" else "there is none"
        return ["python3", "/home/operator/typist.py", NOTE, password, "bash", "-c", call]

    def install(self, version: str = "1.0.0") -> None:
        done = self.host.run(self.argv(version), env=self.env, check=False, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        asked = "password for operator" in done.stdout
        assert asked == (self.case["sudo"] == "password"), done.stdout

    def interrupt(self, tarball: str) -> None:
        """Stop an installation in the middle of its download, or of what follows for a bundle."""
        bundle = self.case["way"] == "bundle"
        if not bundle:
            self.store.hang(tarball, after=200)
        running = self.host.spawn(self.argv("1.0.0"), env=self.env)
        if bundle:
            self.wait_for(f"{self.home}/state.json")
        else:
            assert self.store.hanging.wait(60), stopped(running)
        typist, session = self.host.read(NOTE).split()
        if self.case["then"] == "SIGINT":
            self.host.run(["kill", "-USR1", typist])
            assert running.wait(timeout=60) == 130, stopped(running)
        else:
            self.host.run(["pkill", "-KILL", "--session", session], user="root")
            assert running.wait(timeout=60) != 0
        stopped(running)
        self.store.heal()
        self.wait_for_end()

    def wait_for(self, path: str) -> None:
        look = f"for n in $(seq 600); do test -e {path} && exit; sleep 0.05; done; exit 1"
        self.host.run(["sh", "-c", look], user="root")

    def wait_for_end(self) -> None:
        """Wait until no agentctl holds the folder's lock; sudo ends what it runs a little later."""
        look = f"test ! -e {self.home}/.lock || flock --timeout 20 {self.home}/.lock true"
        self.host.run(["sh", "-c", look], user="root")

    def assert_well(self, version: str) -> None:
        user = "operator" if self.case["sudo"] == "systemd-user" else "root"
        said = self.host.run([f"{self.home}/agentctl", "status"], user=user, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        assert f"tiny {version}" in said.stdout
        answer = self.host.run(["curl", "-s", "http://127.0.0.1:7070/"], check=False)
        if self.case["tool"] == "curl":
            assert TOKEN in answer.stdout
        assert self.find("-name", ".env", "-printf", "%m") == ["600"]
        assert self.find("!", "-type", "l", "-perm", "/022") == []
        closed = self.find("!", "-type", "l", "!", "-perm", "-004", "-printf", "%P\\n")
        assert {path.split("/")[0] for path in closed} <= CLOSED
        theirs = ["!", "-name", ".*-unix", "!", "-name", "systemd-private-*"]
        left = ["find", "/tmp", "-mindepth", "1", "-maxdepth", "1", *theirs]
        assert self.host.run(left, user="root").stdout == ""

    def find(self, *words: str) -> list[str]:
        found = self.host.run(["find", self.home, "-mindepth", "1", *words], user="root")
        return found.stdout.splitlines()


def prepare(host: Host, case: Case) -> None:
    """Make the host one of the kind that the case is about."""
    gone = {"curl": "wget", "wget": "curl"}[case["tool"]]
    commands = [f"rm -f /usr/bin/{gone}"]
    if case["sudo"] in HOMES:
        commands.append("rm -f /usr/bin/sudo /etc/sudoers.d/operator")
    if case["sudo"] == "systemd-user":
        commands.append("loginctl enable-linger operator")  # these hosts have no polkit
    if case["sudo"] == "password":
        commands.append("echo 'operator ALL=(ALL:ALL) ALL' >/etc/sudoers.d/operator")
        commands.append(f"echo 'operator:{PASSWORD}' | chpasswd")
    host.run(["sh", "-e", "-c", "\n".join(commands)], user="root")
    host.put(TYPIST, "/home/operator/typist.py")


@pytest.fixture
def signed(store: StoreServer, versions: list[Released]) -> SignedStore:
    signed = SignedStore(store.root)
    for released in versions:
        publish(released, store)
        file, spec = released.artifact.tarball, released.spec
        target = release(
            spec.release_version,
            platform=released.artifact.platform,
            channels={f"c{spec.release_version[2]}": Rollout()},
        )
        signed.add(file, (released.dist / file).read_bytes(), target)
    signed.publish()
    return signed


@pytest.fixture
def proxy(store: StoreServer) -> Iterator[str]:
    netloc = store.url.removeprefix("http://")
    with forward_proxy(netloc.partition(":")[0], {BEHIND: netloc}) as url:
        yield url


@pytest.fixture
def matrix(
    request: pytest.FixtureRequest, host: Host, store: StoreServer, signed: SignedStore, proxy: str
) -> Matrix:
    case: Case = request.param
    prepare(host, case)
    env = {"TINY_TOKEN": TOKEN}
    if case["sudo"] == "none":
        env |= {"PROCESS_MANAGER": "direct", "INSTALL_DIR": HOMES["none"]}
    if case["sudo"] == "systemd-user":
        env["PROCESS_MANAGER"] = "systemd-user"
    if case["way"] == "proxy":
        env["http_proxy"] = proxy
    if case["way"] == "bundle":
        host.cut_network()
    return Matrix(case, host, store, signed, env)


@pytest.mark.parametrize(
    ("suite", "matrix"),
    [pytest.param(case["system"], case, id="-".join(case.values())) for case in CASES],
    indirect=True,
)
def test_install(matrix: Matrix, versions: list[Released], tmp_path: Path) -> None:
    # Behind the proxy the store has a name that the host itself can't look up.
    url = f"http://{BEHIND}" if matrix.case["way"] == "proxy" else matrix.store.url
    choices = Choices(url, root=matrix.signed.root_bytes(1), channel="c0")
    script = tmp_path / "install.sh"
    script.write_text(render_for(versions[0].spec, tmp_path, choices).text, "utf-8")
    matrix.host.put(script, SCRIPT, mode=0o755)
    if matrix.case["way"] == "bundle":
        put_bundles(matrix, versions, choices, tmp_path)
    then = matrix.case["then"]
    if then.startswith("SIG"):
        matrix.interrupt(versions[0].artifact.tarball)
    matrix.install()
    matrix.assert_well("1.0.0")
    if then == "again":
        matrix.install()
        matrix.assert_well("1.0.0")
    if then == "other version":
        matrix.install("1.1.0")
        matrix.assert_well("1.1.0")


def put_bundles(matrix: Matrix, versions: list[Released], choices: Choices, tmp_path: Path) -> None:
    given = Signed(
        DirectoryStore(matrix.signed.folder), matrix.signed.root_bytes(1), datetime.now(UTC)
    )
    for released in versions:
        file = tmp_path / f"{released.spec.release_version}.tar"
        write(from_store(released.spec, (), given, choices), file, Silent())
        matrix.host.put(file, f"/home/operator/{file.name}")
