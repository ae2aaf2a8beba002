"""Fixtures of the end-to-end tests: hosts with a real systemd, and a store that they reach."""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.containers import HostSpec, SshKey
from tests.support.hosts import BootHost, Host, reap
from tests.support.images import ensure_image, suites, to_stderr
from tests.support.need import need, need_command
from tests.support.network import HostNetwork
from tests.support.podman import may_be_root
from tests.support.serve import StoreServer

_HOSTS = pytest.StashKey[list[Host]]()
_COMMANDS = ("podman", "runc", "ip", "nsenter", "ssh", "ssh-keygen")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each host's journal where a test failed: the host is gone soon after."""
    report = yield
    if call.when == "call" and report.failed:
        for host in item.stash.get(_HOSTS, []):
            report.sections.append((f"journal of {host.name}", host.journal()))
    return report


@pytest.fixture(scope="session")
def host_network() -> Iterator[HostNetwork]:
    """The network that this test process shares with its hosts."""
    for command in _COMMANDS:
        need_command(command)
    need(may_be_root(), "hosts under test need root, or sudo without a password")
    reap()
    with HostNetwork() as network:
        yield network


@pytest.fixture(scope="session")
def host_key(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    """The ssh key that all hosts let in."""
    return SshKey.generate(tmp_path_factory.mktemp("ssh"))


@pytest.fixture(scope="session", params=suites())
def suite(request: pytest.FixtureRequest) -> str:
    """The system under test: each of the suites in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def host_image(request: pytest.FixtureRequest, host_network: HostNetwork, suite: str) -> str:
    """The image of the suite, built when it is missing: that takes a minute, and is said."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def report(line: str) -> None:
        if capture is None:
            to_stderr(line)
            return
        with capture.global_and_fixture_disabled():
            to_stderr(line)

    if "/" not in suite and ":" not in suite:
        need_command("debootstrap")
    return ensure_image(suite, report)


@pytest.fixture
def boot_host(
    request: pytest.FixtureRequest, host_network: HostNetwork, host_key: SshKey, host_image: str
) -> Iterator[BootHost]:
    """A function that boots hosts."""
    booted = request.node.stash.setdefault(_HOSTS, [])

    def boot(
        *,
        network: bool = True,
        memory: str | None = None,
        tmpfs: Mapping[str, str] | None = None,
    ) -> Host:
        cable = host_network if network else None
        spec = HostSpec(host_image, host_key, network=cable, memory=memory, tmpfs=tmpfs or {})
        host = Host.boot(spec)
        booted.append(host)
        return host

    yield boot
    for host in booted:
        host.remove()


@pytest.fixture
def host(boot_host: BootHost) -> Host:
    """One ordinary host with a network."""
    return boot_host()


@pytest.fixture
def store(tmp_path: Path, host_network: HostNetwork) -> Iterator[StoreServer]:
    """An empty store that hosts reach; its files go to `store.root`."""
    root = tmp_path / "store"
    root.mkdir()
    with StoreServer(root, address=host_network.gateway) as server:
        yield server
