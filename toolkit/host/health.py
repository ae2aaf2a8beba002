"""The health gate: when a service that was started counts as running."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress

from toolkit.host.commands import run
from toolkit.host.errors import CommandFailed, Unhealthy
from toolkit.host.manager import Installation, Manager, Process
from toolkit.host.release import Health, resolve

PROBE_SECONDS = 5.0
ANSWER_BYTES = 1 << 20
LOG_LINES = 20
# A process that finds its port taken needs a moment to find that out, and to end.
SETTLING = 1.0
# A process without a gate of its own must have lived this long.
SETTLED = Health("none", (), timeout=30, interval=1.0)
SETTLED_LOOKS = 5
# Seconds until a process manager that did not answer is asked again.
ASK_AGAIN = (0.2, 0.5, 1.0, 2.0)


class Unanswered(CommandFailed):
    """The process manager could not be asked, several times on end."""


def process_of(manager: Manager, installation: Installation) -> Process:
    """Look at the service's main process; a manager that does not answer is asked a few times more.

    Raises Unanswered.
    """
    for pause in ASK_AGAIN:
        with suppress(CommandFailed, OSError):
            return manager.process(installation)
        time.sleep(pause)
    try:
        return manager.process(installation)
    except (CommandFailed, OSError) as error:
        raise Unanswered(
            f"{manager.name} could not be asked about {installation.service}, "
            f"{len(ASK_AGAIN) + 1} times: {str(error).splitlines()[0]}"
        ) from error


def wait_until_healthy(
    manager: Manager, installation: Installation, report: Callable[[str], None]
) -> None:
    """Wait until the gate holds twice running, with the same main process both times.

    An answer alone is not enough: another program may have taken the port.
    Raises Unhealthy, with the service's last lines, when the release's time limit has passed.
    """
    gate = installation.release.health or SETTLED
    wanted = 2 if gate.target else SETTLED_LOOKS
    deadline = time.monotonic() + gate.timeout
    held, pid, since = 0, None, time.monotonic()
    while True:
        process = process_of(manager, installation)
        fault = look(gate, process, installation)
        same = fault is None and process.pid == pid
        held, pid = (held + 1 if same else int(fault is None)), process.pid
        since = since if same else time.monotonic()
        if held >= wanted and time.monotonic() - since >= SETTLING:
            return
        if time.monotonic() > deadline:
            raise _unhealthy(manager, installation, gate, fault or "its process kept changing")
        report(fault or "healthy, looking again")
        time.sleep(gate.interval)


def look(gate: Health, process: Process, installation: Installation) -> str | None:
    """Look once; gives what is wrong, or None where the service is healthy."""
    if not process.running:
        return f"its process does not run: {process.detail}"
    home = str(installation.layout.home)
    target = [resolve(word, installation.release, home) for word in gate.target]
    if gate.kind == "http":
        contains = gate.contains and resolve(gate.contains, installation.release, home)
        return _http(target[0], contains)
    probes = {"tcp": _tcp, "command": _command}
    return probes[gate.kind](target, installation) if gate.kind in probes else None


def _http(url: str, contains: str | None) -> str | None:
    # The service is on this host: a proxy would only be in the way.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PROBE_SECONDS) as answer:
            said = answer.read(ANSWER_BYTES) if contains else b""
    except urllib.error.HTTPError as error:
        return f"{url} answered {error.code} {error.reason}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"{url} did not answer: {getattr(error, 'reason', None) or repr(error)}"
    if contains and contains.encode() not in said:
        return f"{url} did not say {contains!r}"
    return None


def _tcp(target: list[str], installation: Installation) -> str | None:
    del installation
    host, _, port = target[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=PROBE_SECONDS).close()
    except OSError as error:
        return f"{target[0]} took no connection: {error}"
    return None


def _command(target: list[str], installation: Installation) -> str | None:
    try:
        run(target, account=installation.account, timeout=PROBE_SECONDS)
    except CommandFailed as error:
        return error.message
    except OSError as error:
        return f"`{target[0]}` could not be run: {error}"
    return None


def _unhealthy(manager: Manager, installation: Installation, gate: Health, fault: str) -> Unhealthy:
    process = process_of(manager, installation)
    lines = manager.logs(installation, LOG_LINES).strip() or "(it printed nothing)"
    return Unhealthy(
        f"{installation.service} {installation.release.version} did not become healthy within "
        f"{gate.timeout} s: {fault}\n"
        f"{manager.name} says: {process.detail}, restarted {process.restarts} times\n"
        f"last lines of its log:\n{lines}",
        hint="mend the cause that the log names (a port that is taken, a setting that is wrong), "
        "then run the same command again",
    )
