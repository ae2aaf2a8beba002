"""Programs on hosts: this machine stands for them, so the real shell and Python run."""

import time
from collections.abc import Iterator

import pytest

from toolkit.hosts import Host
from toolkit.launch import command_line
from toolkit.remote import Kind, Line, Outcome, Program, run, stream
from toolkit.secret import Secret
from toolkit.session import NoSudoError, Session

ECHO = "import json, sys; print(json.dumps({'got': sys.stdin.read()}))"


def local(name: str = "here", python: str = "python3") -> Host:
    return Host(name, name, become=False, python=python, connection="local")


def one(program: Program, host: Host | None = None, timeout: float = 20) -> Outcome:
    (outcome,) = run([host or local()], program, timeout=timeout)
    return outcome


def test_gives_each_host_its_own_order_and_takes_its_answer() -> None:
    hosts = [local(f"host{number}") for number in range(5)]
    program = Program(ECHO, order=lambda host: host.name.encode())
    outcomes = list(run(hosts, program, parallel=2, timeout=20))
    assert {outcome.host.name: outcome.answer for outcome in outcomes} == {
        host.name: {"got": host.name} for host in hosts
    }
    assert all(outcome.failure is None for outcome in outcomes)


def test_runs_programs_larger_than_any_buffer() -> None:
    text = f"{ECHO}\n# {'é' * 300_000}"
    assert one(Program(text, order=lambda _: b"x" * 500_000)).answer == {"got": "x" * 500_000}


def test_a_name_that_comes_twice_is_one_host() -> None:
    assert len(list(run([local(), local()], Program(ECHO), timeout=20))) == 1


def test_what_children_say_as_errors_does_not_spoil_the_answer() -> None:
    program = "import subprocess; subprocess.run(['sh', '-c', 'echo noise >&2']); print('{}')"
    assert one(Program(program)).answer == {}


def kind(outcome: Outcome) -> Kind | None:
    return outcome.failure.kind if outcome.failure else None


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise ValueError('out of cheese')", "ValueError: out of cheese"),
        ("import sys; sys.exit(1)", ""),
        ("print('no json')", "no JSON"),
        ("", "no JSON"),
        ("syntax error here", "SyntaxError"),
    ],
)
def test_says_how_a_program_broke(program: str, why: str) -> None:
    outcome = one(Program(program))
    assert kind(outcome) is Kind.BROKEN
    assert outcome.failure is not None
    assert why in outcome.failure.why


def test_says_that_there_is_no_python() -> None:
    assert kind(one(Program(ECHO), local(python="python2.2"))) is Kind.NO_PYTHON


def test_a_host_that_hangs_costs_its_own_time_only() -> None:
    hosts = [local("slow"), *(local(f"host{number}") for number in range(3))]
    sleepy = "import sys, time\nif sys.stdin.read() == 'slow': time.sleep(60)\nprint(1)"
    begun = time.monotonic()
    program = Program(sleepy, order=lambda host: host.name.encode())
    outcomes = list(run(hosts, program, parallel=2, timeout=3))
    assert time.monotonic() - begun < 30
    assert [outcome.host.name for outcome in outcomes if outcome.failure] == ["slow"]
    assert kind(outcomes[-1]) is Kind.TIMEOUT


def test_streams_lines_as_they_come_and_then_the_end() -> None:
    program = "import sys\nfor n in range(3): print('line', n)\nsys.stdout.write('unended')"
    got = list(stream([local()], Program(program), timeout=20))
    texts = [item.text for item in got if isinstance(item, Line)]
    assert texts == ["line 0", "line 1", "line 2", "unended"]
    assert isinstance(got[-1], Outcome)


def test_a_caller_that_stops_ends_the_program_that_watches_its_input() -> None:
    program = "import sys\nprint('begun', flush=True)\nsys.stdin.read()"
    results = stream([local()], Program(program), timeout=20)
    assert next(iter(results)) == Line(local(), "begun")
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]


class Script:
    """A pipe that says what a test tells it to, and keeps what it is sent."""

    def __init__(self, *said: bytes, code: int = 0) -> None:
        self.said, self.sent, self.ended = list(said), b"", code

    def send(self, data: bytes) -> None:
        self.sent += data

    def finish(self) -> None:
        pass

    def receive(self, seconds: float) -> bytes:
        return self.said.pop(0) if self.said else b""

    def code(self, seconds: float) -> int:
        return self.ended

    def close(self) -> None:
        pass


GUARDED = Host("web1", "web1", become=True, become_password=Secret("hunter2"))
ASKS, READY = b"toolkit-sudo-asks:", b"toolkit-ready:\n"


def start(pipe: Script) -> bytes:
    return Session(GUARDED, pipe, deadline=10, clock=lambda: 0).start("print()", b"order")


def test_sends_the_password_when_sudo_asks() -> None:
    pipe = Script(b"motd\n", ASKS, READY + b"out")
    assert start(pipe) == b"out"
    assert pipe.sent.startswith(b"hunter2\n")
    assert pipe.sent.endswith(b"\n7\nprint()order")


def test_sends_no_password_where_sudo_does_not_ask() -> None:
    pipe = Script(READY)
    start(pipe)
    assert b"hunter2" not in pipe.sent


def test_sends_a_password_once() -> None:
    pipe = Script(ASKS, b"\nSorry, try again.\n" + ASKS, code=1)
    with pytest.raises(NoSudoError):
        start(pipe)
    assert pipe.sent == b"hunter2\n"


def test_no_secret_and_no_order_stand_in_the_command() -> None:
    assert "hunter2" not in command_line(GUARDED)
    assert "\n" not in command_line(GUARDED)
    assert "\\" not in command_line(GUARDED)
