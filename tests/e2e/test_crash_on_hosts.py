"""agentctl, or the whole host, is killed before and after each step; no host is left broken.

By default between the steps of an upgrade only, and for the whole host only at those that matter
most; with CRASH_POINTS=all before and after every step of each verb, which takes the better part of
an hour.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.driven import Driven
from tests.support.hosts import BootHost, Host
from tests.support.reachable import Reachable
from tests.support.releases import Released, tiny

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
OLD, NEW = "1.0.0", "1.1.0"
HOME = "/opt/tiny"
ALL = os.environ.get("CRASH_POINTS") == "all"
FEW = ("arm", "switch", "configure", "start", "watch", "record", "disarm")
ROLLBACK = ["rollback", "--home", HOME]
UNINSTALL = ["uninstall", "--home", HOME]
FULL = ("prepare", "stage", "open", "arm", "settings", "switch", "commit", "record")
DISK_FULL = 22
# What a host has an answer to within.
SECONDS = 60


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    return {
        version: tiny(tmp_path_factory.mktemp("dist"), version=version) for version in (OLD, NEW)
    }


@dataclass(frozen=True)
class Bench:
    """A host, and how it is crashed."""

    driven: Driven
    crash: Callable[[Driven, str, list[str]], bool]
    whole_host: bool

    @property
    def host(self) -> Reachable:
        return self.driven.host

    def must(self, verb: list[str]) -> None:
        done = self.driven.run(verb)
        assert done.returncode == 0, done.stdout + done.stderr

    def points(self, verb: list[str]) -> Iterator[str]:
        """Give where to crash; doing so runs the verb to its end once."""
        names = list(dict.fromkeys(self.driven.steps(verb)))
        assert len(names) > 3
        if ALL:
            yield from (f"{when}:{name}" for name in names for when in ("before", "after"))
        elif self.whole_host:
            yield from (f"after:{name}" for name in FEW)
        else:  # after a step is before the next one
            yield from (f"before:{names[0]}", *(f"after:{name}" for name in names))

    def running(self) -> str | None:
        """Give the version that answers from the folder that `current` names, if that is whole."""
        check = (
            f"v=$(readlink {HOME}/current) && test -s {HOME}/$v/.complete && "
            "exec 3<>/dev/tcp/127.0.0.1/7070 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && "
            f'cat <&3 | grep -q "\\"from\\": \\"{HOME}/$v/" && basename $v'
        )
        done = self.host.run(["timeout", "5", "bash", "-c", check], check=False)
        return done.stdout.strip() or None

    def runs_something(self) -> str:
        deadline = time.monotonic() + SECONDS
        while (version := self.running()) is None:
            assert time.monotonic() < deadline, "no verified version runs"
            time.sleep(0.2)
        return version

    def nothing_half_is_reachable(self) -> None:
        check = f"! test -e {HOME}/current || test -s {HOME}/current/.complete"
        self.host.run(["bash", "-c", check])

    def nothing_left_over(self) -> None:
        """Of a trial that has ended nothing stays, neither files nor units."""
        found = self.host.run(
            ["sh", "-c", f"ls -d {HOME}/trial {HOME}/.trial.new /etc/systemd/system/*/*tiny-revert*"
             " /etc/systemd/system/*tiny-revert* /etc/systemd/system/*.was"
             " /etc/systemd/system/tiny.service.d/*.was"
             " /etc/systemd/system/tiny.service.d/zz-trial.conf"],
            check=False,
        )  # fmt: skip
        assert found.stdout == ""
        timers = ["systemctl", "list-units", "--plain", "--no-legend", "tiny-revert@*"]
        assert self.host.run(timers).stdout == ""


def agentctl_dies(driven: Driven, point: str, verb: list[str]) -> bool:
    return driven.killed(point, verb)


def power_fails(driven: Driven, point: str, verb: list[str]) -> bool:
    stopped = driven.held(point, verb)
    driven.host.kill()
    driven.host.start()
    return stopped


@pytest.fixture(params=[agentctl_dies, power_fails])
def bench(request: pytest.FixtureRequest, host: Host) -> Bench:
    return Bench(Driven.on(host, "tiny"), request.param, request.param is power_fails)


def state(bench: Bench) -> dict[str, object]:
    found: dict[str, object] = json.loads(bench.host.read(f"{HOME}/state.json"))
    return found


def test_upgrade(bench: Bench, versions: dict[str, Released]) -> None:
    offers = {version: bench.driven.offer(versions[version]) for version in (OLD, NEW)}
    bench.must(offers[OLD])
    for point in bench.points(offers[NEW]):
        before = bench.runs_something()
        after = NEW if before == OLD else OLD
        # To be staged again each time, like a version that was never here.
        bench.host.run(["rm", "-rf", f"{HOME}/releases/{after}"], user="root")
        assert bench.crash(bench.driven, point, offers[after]), point
        bench.nothing_half_is_reachable()
        assert bench.runs_something() in (OLD, NEW), point
        bench.must(offers[after])
        assert bench.running() == after, point
        assert state(bench)["version"] == after
        assert state(bench)["outcome"] == "running", point
        bench.nothing_left_over()


def test_disk_full(boot_host: BootHost, versions: dict[str, Released]) -> None:
    bench = Bench(Driven.on(boot_host(tmpfs={"/opt": "24m"}), "tiny"), agentctl_dies, False)
    offers = {version: bench.driven.offer(versions[version]) for version in (OLD, NEW)}
    bench.must(offers[OLD])
    names = list(dict.fromkeys(bench.driven.steps(offers[NEW])))
    for name in names if ALL else FULL:
        before = bench.runs_something()
        after = NEW if before == OLD else OLD
        bench.host.run(["rm", "-rf", f"{HOME}/releases/{after}"], user="root")
        done = bench.driven.filled(f"before:{name}", offers[after])
        assert done.returncode in (0, DISK_FULL), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        kept = name in ("record", "history", "disarm", "close", "prune")
        assert bench.runs_something() == (after if done.returncode == 0 or kept else before), name
        bench.host.run(["rm", "-f", "/opt/ballast"], user="root")
        bench.must(offers[after])
        assert bench.running() == after, name
        bench.nothing_left_over()


@pytest.mark.long
def test_install(bench: Bench, versions: dict[str, Released]) -> None:
    verb = bench.driven.offer(versions[OLD])
    for point in bench.points(verb):
        bench.must(UNINSTALL)
        assert bench.crash(bench.driven, point, verb), point
        bench.nothing_half_is_reachable()
        bench.must(verb)
        assert bench.running() == OLD, point


@pytest.mark.long
def test_rollback(bench: Bench, versions: dict[str, Released]) -> None:
    for version in (OLD, NEW):
        bench.must(bench.driven.offer(versions[version]))
    for point in bench.points(ROLLBACK):
        before = bench.runs_something()
        after = NEW if before == OLD else OLD
        assert bench.crash(bench.driven, point, ROLLBACK), point
        bench.nothing_half_is_reachable()
        assert bench.runs_something() in (OLD, NEW), point
        bench.must([*ROLLBACK, "--to", after])
        assert bench.running() == after, point
        bench.nothing_left_over()


@pytest.mark.long
def test_uninstall(bench: Bench, versions: dict[str, Released]) -> None:
    verb = bench.driven.offer(versions[OLD])
    bench.must(verb)
    for point in bench.points(UNINSTALL):
        bench.must(verb)
        assert bench.crash(bench.driven, point, UNINSTALL), point
        bench.nothing_half_is_reachable()
        again = bench.driven.run(UNINSTALL)
        gone = bench.host.run(["test", "-e", HOME], check=False).returncode == 1
        assert again.returncode == 0 or gone, again.stderr
        assert bench.host.run(["ls", HOME], check=False).returncode != 0, point
        units = ["systemctl", "list-unit-files", "--no-legend", "tiny*"]
        assert bench.host.run(units, check=False).stdout == "", point
