"""Logins to a real ssh server on this machine: how often, how patiently, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ssh_server import SshServer
from toolkit.logins import Logins
from toolkit.reaching import Reach
from toolkit.remote import Kind, Outcome, Program, open_logins, run

ECHO = Program("import sys; print(sys.stdin.read() or 0)", lambda _: b"7")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with SshServer(tmp_path) as server:
        yield server


def reach(server: SshServer, connect: float = 1, login: float = 20) -> Reach:
    return Reach(server.known_hosts, Path("/dev/null"), connect, login)


def asked(server: SshServer, logins: Logins | None = None, **times: float) -> Outcome:
    how = logins or reach(server, **times)
    (outcome,) = run([server.host], ECHO, timeout=30, reach=how)
    return outcome


def kind(outcome: Outcome) -> Kind | None:
    return outcome.failure.kind if outcome.failure else None


def test_a_busy_host_gets_more_time_than_one_that_is_not_there(server: SshServer) -> None:
    server.slow = 2.5
    outcome = asked(server)
    assert (outcome.failure, outcome.answer) == (None, 7)


def test_a_host_that_is_too_busy_is_unreachable_and_nothing_else(server: SshServer) -> None:
    server.slow = 30
    outcome = asked(server, login=1)
    assert kind(outcome) is Kind.UNREACHABLE
    assert outcome.failure is not None
    assert "took the connection, and no login in time" in outcome.failure.why


def test_without_a_wish_nothing_is_kept(server: SshServer) -> None:
    assert [asked(server).answer for _ in range(2)] == [7, 7]
    assert server.logins == 2


def test_a_host_is_logged_in_to_once(server: SshServer) -> None:
    logins = open_logins(reach(server), keep=1)
    assert [asked(server, logins).answer for _ in range(3)] == [7, 7, 7]
    assert server.logins == 1
    logins.close()
    assert asked(server, logins).answer == 7
    assert server.logins == 2


def test_what_broke_meanwhile_is_opened_anew(server: SshServer) -> None:
    logins = open_logins(reach(server), keep=1)
    assert asked(server, logins).answer == 7
    server.hang_up()
    assert asked(server, logins).answer == 7
    assert server.logins == 2
    server.hang_up()
    server.refuse = True
    assert kind(asked(server, logins)) is Kind.UNREACHABLE
    logins.close()


def test_what_nobody_used_for_long_is_not_believed(server: SshServer) -> None:
    now = [0.0]
    logins = Logins(reach(server), keep=1, clock=lambda: now[0])
    assert asked(server, logins).answer == 7
    now[0] = 3600.0
    assert asked(server, logins).answer == 7
    assert server.logins == 2
    logins.close()


def test_a_program_that_fails_keeps_no_connection(server: SshServer) -> None:
    logins = open_logins(reach(server), keep=1)
    broken = Program("raise SystemExit(1)")
    (outcome,) = run([server.host], broken, timeout=30, reach=logins)
    assert kind(outcome) is Kind.BROKEN
    assert asked(server, logins).answer == 7
    assert server.logins == 2
    logins.close()
