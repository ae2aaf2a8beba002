"""Runs a Python program on many hosts at once, over Fabric, and gives the answers as they come.

A host that is slow, dead or hostile costs its own time and nobody else's.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.hosts import Host
from toolkit.launch import command_line
from toolkit.reaching import Failure, Kind, Reach
from toolkit.session import LocalPipe, Session

if TYPE_CHECKING:
    from fabric import Connection

    from toolkit.logins import Logins

__all__ = ["Failure", "Host", "Kind", "Line", "Outcome", "Program", "Reach", "run", "stream"]

PARALLEL = 25
TIMEOUT = 60.0
_GRACE = 5.0  # after its time-out, a host that does not even end is given up
_FOREVER = 10 * 365 * 86_400.0


@dataclass(frozen=True)
class Program:
    """Python text to run on hosts, and what each of them gets on its standard input.

    With `run` the program prints one JSON value, its answer, and its input ends after the order.
    With `stream` it prints lines, and its input stays open as long as somebody listens: so a
    program that would go on for ever knows when to end.
    """

    text: str
    order: Callable[[Host], bytes] = lambda _host: b""


@dataclass(frozen=True)
class Outcome:
    """How it went on one host: an answer, or why there is none; `seconds` with connecting."""

    host: Host
    answer: Any = None
    failure: Failure | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Line:
    """One line that a program on a host printed, without its end."""

    host: Host
    text: str


@dataclass
class _Work:
    """What the threads of one run share."""

    program: Program
    timeout: float
    logins: Logins
    shared: bool = False
    todo: queue.SimpleQueue[Host | None] = field(default_factory=queue.SimpleQueue)
    done: queue.SimpleQueue[Line | Outcome] = field(default_factory=queue.SimpleQueue)
    begun: dict[str, float] = field(default_factory=dict)
    closers: dict[str, Callable[[bool], None]] = field(default_factory=dict)
    lines: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)


def run(
    hosts: Sequence[Host],
    program: Program,
    *,
    parallel: int = PARALLEL,
    timeout: float = TIMEOUT,
    reach: Reach | Logins | None = None,
) -> Iterator[Outcome]:
    """Run `program` on every host and give each one's outcome as it ends, each host once.

    `parallel` hosts at a time, `timeout` seconds for each, connecting among it. Where the caller
    stops early or is interrupted, the connections are closed; a program that works on a host may
    go on there, unless it watches its standard input. Where `reach` is who logs in, connections are
    taken from there and given back, for the caller to close.
    """
    work = _Work(program, timeout, *_logins(reach))
    for result in _results(hosts, work, parallel):
        if isinstance(result, Outcome):
            yield result


def stream(
    hosts: Sequence[Host],
    program: Program,
    *,
    timeout: float | None = None,
    reach: Reach | None = None,
) -> Iterator[Line | Outcome]:
    """Run `program` on all hosts at once and give each line as it comes, and each host's end."""
    work = _Work(program, timeout or _FOREVER, open_logins(reach), lines=True)
    yield from _results(hosts, work, len(hosts))


def _logins(reach: Reach | Logins | None) -> tuple[Logins, bool]:
    if reach is None or isinstance(reach, Reach):
        return open_logins(reach), False
    return reach, True


def open_logins(reach: Reach | None, keep: int = 0) -> Logins:
    """Give what logs in to hosts, and keeps so many connections until it is closed."""
    from toolkit.logins import Logins  # noqa: PLC0415 - Fabric takes long to import

    return Logins(reach or Reach(), keep)


def _results(hosts: Sequence[Host], work: _Work, parallel: int) -> Iterator[Line | Outcome]:
    waiting = {host.name: host for host in hosts}
    for host in waiting.values():
        work.todo.put(host)
    for _ in range(min(parallel, len(waiting))):
        _start_thread(work)
    try:
        while waiting:
            try:
                result = work.done.get(timeout=1.0)
            except queue.Empty:
                for host in _overdue(waiting, work):
                    del waiting[host.name]
                    _start_thread(work)  # the one that hangs is of no use any more
                    yield Outcome(host, failure=_given_up(work.timeout), seconds=work.timeout)
                continue
            if result.host.name in waiting:
                if isinstance(result, Outcome):
                    del waiting[result.host.name]
                yield result
    finally:
        _stop(work)


def _start_thread(work: _Work) -> None:
    # Daemons: a name that is looked up for minutes must not keep the program from ending.
    threading.Thread(target=_worker, args=(work,), daemon=True).start()


def _worker(work: _Work) -> None:
    while not work.stopped.is_set():
        try:
            host = work.todo.get_nowait()
        except queue.Empty:
            return
        if host is not None:
            work.begun[host.name] = time.monotonic()
            work.done.put(_outcome(host, work))


def _outcome(host: Host, work: _Work) -> Outcome:
    from toolkit.unreached import failure_of  # noqa: PLC0415 - as above

    begun, well = time.monotonic(), False
    try:
        answer = _talk(host, work, begun + work.timeout)
        well = True
        return Outcome(host, answer, seconds=time.monotonic() - begun)
    except Exception as error:  # noqa: BLE001 - failure_of knows them all, and names the others
        failure = failure_of(error, host, connected=host.name in work.closers)
        return Outcome(host, failure=failure, seconds=time.monotonic() - begun)
    finally:
        closer = work.closers.pop(host.name, None)
        if closer is not None:
            closer(well)


def _talk(host: Host, work: _Work, deadline: float) -> Any:
    session = _session(host, work, deadline)
    order = work.program.order(host)
    if not work.lines:
        answer = json.loads(session.all(work.program.text, order))
        session.pipe.close()
        return answer
    rest = b""
    for piece in session.output(session.start(work.program.text, order)):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            work.done.put(Line(host, line.decode("utf-8", "replace")))
    if rest:
        work.done.put(Line(host, rest.decode("utf-8", "replace")))
    return None


def _session(host: Host, work: _Work, deadline: float) -> Session:
    if host.connection == "local":
        local = LocalPipe(command_line(host))
        work.closers[host.name] = lambda _: local.close()
        return Session(host, local, deadline, ends=not work.lines)

    def opened(connection: Connection) -> None:
        work.closers[host.name] = lambda well: work.logins.end(host.name, connection, well=well)

    pipe = work.logins.start(host, command_line(host), deadline, opened)
    return Session(host, pipe, deadline, ends=not work.lines)


def _overdue(waiting: dict[str, Host], work: _Work) -> list[Host]:
    latest = time.monotonic() - work.timeout - _GRACE
    return [host for name, host in waiting.items() if work.begun.get(name, latest) < latest]


def _given_up(timeout: float) -> Failure:
    return Failure(Kind.TIMEOUT, f"it did not end in {timeout:.0f} s", "look at it by hand")


def _stop(work: _Work) -> None:
    work.stopped.set()
    for closer in list(work.closers.values()):
        closer(False)
    if not work.shared:
        work.logins.close()
