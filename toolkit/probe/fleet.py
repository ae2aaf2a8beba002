"""What `toolkit fleet` asks of a host: read an order, do it, print the answer.

Sent as text and started anew for every question, so it imports little: on a small host, most of
the time that an answer takes is the time that Python takes to start.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from typing import Any

Facts = dict[str, Any]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 5.0
LONGEST = 1 << 20  # of each stream of a command
MOST = 40 << 20  # of a support bundle
SHOWN = (
    "ActiveState",
    "SubState",
    "MainPID",
    "NRestarts",
    "Result",
    "ActiveEnterTimestampMonotonic",
)
TOLD = ("name", "service", "version", "manager", "user", "home", "channel", "outcome", "reason")
WISHES = ("at", "previous", "pinned", "paused", "follow", "store")
OPEN = "armed"


def home_of(order: Facts) -> str:
    """Give the service's folder: as ordered, below /opt, or in the home of its user."""
    if order.get("home"):
        return str(order["home"])
    folder = f"/opt/{order['service']}"
    if not os.path.exists(folder):
        user = order.get("user") or os.environ.get("SUDO_USER") or ""
        private = os.path.expanduser(f"~{user}/.local/share/{order['service']}")
        if os.path.exists(f"{private}/state.json"):
            return private
    return folder


def text_of(path: str) -> str | None:
    """Read a file; None where it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def call(argv: list[str], seconds: float | None = None) -> Facts:
    """Run a command with no input; gives its code and the ends of both streams."""
    import subprocess

    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8"},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"code": 124, "stdout": "", "stderr": f"{argv[0]} did not end in {seconds:.0f} s"}
    except OSError as error:
        return {"code": 127, "stdout": "", "stderr": f"{argv[0]}: {error.strerror}"}
    return {"code": done.returncode, "stdout": _cut(done.stdout), "stderr": _cut(done.stderr)}


def _cut(data: bytes) -> str:
    text = data[-LONGEST:].decode("utf-8", "replace")
    return text if len(data) <= LONGEST else f"[the first {len(data) - LONGEST} bytes]\n{text}"


def status(order: Facts) -> Facts:
    """Say what runs of a service and whether it is healthy, in the words of `agentctl status`.

    Where systemd runs it and its gate is simple, this looks by itself, since agentctl takes several
    times as long to start; else agentctl is asked.
    """
    home = home_of(order)
    try:
        state = json.loads(text_of(f"{home}/state.json") or "null")
    except ValueError:
        return {"installed": True, "home": home, "healthy": False, "fault": "state.json is damaged"}
    if not state or state.get("outcome") == "uninstalled":
        return {"installed": False, "home": home, "healthy": False, "fault": "not installed"}
    known = {name: state.get(name) for name in (*TOLD, *WISHES)}
    gate = _gate(home)
    simple = gate is not None and _simple(state, gate)
    live = _live(state["service"], gate or {}) if simple else _asked(home)
    return {"installed": True, **known, **live, "home": home, "on_trial": _on_trial(home)}


def _gate(home: str) -> Facts | None:
    """Give the health gate of the version that runs; None where its description is not there."""
    try:
        release = json.loads(text_of(f"{home}/current/toolkit/release.json") or "null")
        gate = release["health"] or {"kind": "none", "target": []}
        current = os.path.join(home, os.readlink(f"{home}/current"))
        return {**gate, "version": release["version"], "home": home, "current": current}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _simple(state: Facts, gate: Facts) -> bool:
    if state.get("manager") != "systemd" or "{" in json.dumps(gate.get("target")):
        return False
    target = (gate["target"] or [""])[0]
    plain = gate["kind"] == "http" and target.startswith("http://") and not gate.get("contains")
    return plain or gate["kind"] in ("tcp", "none", "notify")


def _live(service: str, gate: Facts) -> Facts:
    values = dict(line.split("=", 1) for line in _shown(service).splitlines() if "=" in line)
    running = values.get("ActiveState") == "active"
    says = f"{values.get('ActiveState', 'unknown')} ({values.get('SubState', '')})"
    if values.get("Result", "success") != "success":
        says += f", {values['Result']}"
    fault = _fault(gate) if running else f"its process does not run: {says}"
    return {
        "version": gate["version"],
        "running": running,
        "healthy": fault is None,
        "fault": fault,
        "pid": int(values.get("MainPID") or 0) or None,
        "restarts": int(values.get("NRestarts") or 0),
        "manager_says": says,
        "since": _iso(values.get("ActiveEnterTimestampMonotonic", "")) if running else None,
    }


def _shown(service: str) -> str:
    """Ask systemd about the unit, without `subprocess`, which takes long to import."""
    ours, theirs = os.pipe()
    argv = ["systemctl", "show", "--property", ",".join(SHOWN), "--", f"{service}.service"]
    actions = [(os.POSIX_SPAWN_DUP2, theirs, 1), (os.POSIX_SPAWN_CLOSE, ours)]
    try:
        child = os.posix_spawnp(argv[0], argv, {"PATH": PATH}, file_actions=actions)
    except OSError:
        return ""
    finally:
        os.close(theirs)
    said, deadline = b"", time.monotonic() + SECONDS
    while select.select([ours], [], [], max(deadline - time.monotonic(), 0))[0]:
        piece = os.read(ours, 65_536)
        if not piece:
            break
        said += piece
    else:
        os.kill(child, 9)
    os.close(ours)
    os.waitpid(child, 0)
    return said.decode("utf-8", "replace")


def _iso(microseconds: str) -> str | None:
    """Give a time of systemd's, counted from the boot, in ISO 8601 UTC."""
    if not microseconds.isdecimal():
        return None
    ago = time.clock_gettime(time.CLOCK_MONOTONIC) - int(microseconds) / 1e6
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - ago))


def _fault(gate: Facts) -> str | None:
    """Try the gate once; gives what is wrong."""
    if not gate["target"] or gate["kind"] in ("none", "notify"):
        return None
    target = gate["target"][0]
    if gate["kind"] == "tcp":
        return _connects(target)
    return _answers(target)


def _connects(address: str) -> str | None:
    import socket

    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except OSError as error:
        return f"{address} took no connection: {error.strerror or error}"
    return None


def _answers(url: str) -> str | None:
    """Ask for a page in the plainest HTTP: urllib takes three times as long to import."""
    import socket

    address, _, path = url[len("http://") :].partition("/")
    host, _, port = address.rpartition(":") if ":" in address else (address, "", "80")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), SECONDS) as link:
            link.settimeout(SECONDS)
            ask = f"GET /{path} HTTP/1.0\r\nHost: {address}\r\nUser-Agent: toolkit\r\n\r\n"
            link.sendall(ask.encode("ascii"))
            said, more = b"", link.recv(65_536)
            while more and len(said) < LONGEST:  # to the end: a server may log who hangs up
                said, more = said + more, link.recv(65_536)
    except (OSError, ValueError) as error:
        return f"{url} did not answer: {getattr(error, 'strerror', None) or error}"
    words = said.decode("latin-1").split(None, 2)
    code = words[1] if len(words) > 1 else "nothing"
    # A redirect is followed by agentctl; that something answers is enough for a glance.
    return None if code[:1] in ("2", "3") else f"{url} answered {code}"


def _on_trial(home: str) -> str | None:
    """Name the version on trial; None where there is none, or where it is decided."""
    if not os.path.exists(f"{home}/trial/{OPEN}"):
        return None
    try:
        return str(json.loads(text_of(f"{home}/trial/trial.json") or "{}").get("version"))
    except ValueError:
        return None


def _asked(home: str) -> Facts:
    done = call([f"{home}/agentctl", "status", "--json"], 60)
    try:
        found: Facts = json.loads(done["stdout"])
    except ValueError:
        why = done["stderr"].strip().splitlines()[-2:] or ["agentctl said nothing"]
        return {"running": False, "healthy": False, "fault": " ".join(why)}
    names = ("version", "running", "healthy", "fault", "pid", "restarts", "manager_says", "since")
    return {name: found.get(name) for name in names}


def execute(order: Facts) -> Facts:
    """Run a command: several words as they are, one as a line for the shell."""
    argv = order["argv"]
    return call(argv if len(argv) > 1 else ["sh", "-c", argv[0]], order.get("seconds"))


def agentctl(order: Facts) -> Facts:
    """Call the service's agentctl with the order's words."""
    home = home_of(order)
    if not os.path.exists(f"{home}/agentctl"):
        said = f"error: nothing is installed in {home}"
        return {"code": 4, "stdout": "", "stderr": said, "home": home}
    argv = [f"{home}/agentctl", *order["argv"], "--home", home]
    return {**call(argv, order.get("seconds")), "home": home}


def bundle(order: Facts) -> Facts:
    """Have agentctl pack a support bundle, and give its bytes."""
    import base64
    import tempfile

    with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
        file = os.path.join(folder, "bundle.tar.gz")
        done = agentctl({**order, "argv": ["support-bundle", "--output", file]})
        if done["code"] != 0:
            return done
        size = os.path.getsize(file)
        if size > MOST:
            return {**done, "code": 1, "stderr": f"error: the bundle has {size} bytes"}
        with open(file, "rb") as packed:
            return {**done, "data": base64.b64encode(packed.read()).decode("ascii")}


def enrolled(order: Facts) -> Facts:
    """Say which agent of which controller runs here, and whether its secret still works there.

    `secret` is `works`, `refused` or `none`; `trouble` says why the order's controller could not be
    asked from here. The secret goes to the controller that it is for, and to nobody else.
    """
    home = home_of(order)
    values = _settings(home)
    known = {"home": home, "agent": values.get("AIWM_AGENT_ID", "")}
    same = values.get("AIWM_BASE_URL", "").rstrip("/") == order["controller"]
    secret = values.get("AIWM_AGENT_SECRET", "") if same and known["agent"] else ""
    path = f"/agents/{known['agent']}/heartbeats" if secret else "/health"
    status, why = _fetched(order["controller"] + path, secret)
    if status in (401, 403, 404) and secret:
        return {**known, "secret": "refused", "trouble": ""}
    trouble = "" if status == 200 else why or f"it answered {status}"
    return {**known, "secret": "works" if secret else "none", "trouble": trouble}


def _settings(home: str) -> dict[str, str]:
    """Read .env, as far as words without spaces go."""
    lines = (text_of(f"{home}/.env") or "").splitlines()
    pairs = (line.partition("=") for line in lines if line[:1].isalpha())
    values = {name: value.strip().strip("'\"") for name, _, value in pairs}
    secret = text_of(f"{home}/credentials/AIWM_AGENT_SECRET")
    return {**({"AIWM_AGENT_SECRET": secret} if secret else {}), **values}


def _fetched(url: str, secret: str) -> tuple[int, str]:
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url)  # noqa: S310 - somebody wrote it down
    if secret:
        request.add_unredirected_header("Authorization", f"Bearer {secret}")
    try:
        with urllib.request.urlopen(request, timeout=2 * SECONDS) as answer:  # noqa: S310
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, ""
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, str(getattr(error, "reason", None) or error)


def logs(order: Facts) -> None:
    """Print the service's log as it comes, until it ends or nobody listens any more."""
    import subprocess

    home = home_of(order)
    if not os.path.exists(f"{home}/agentctl"):
        print(f"nothing is installed in {home}", flush=True)
        sys.exit(4)
    child = subprocess.Popen(
        [f"{home}/agentctl", "logs", *order["argv"], "--home", home],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8"},
    )
    while child.poll() is None:
        ready = select.select([0], [], [], 0.2)[0]
        if ready and not os.read(0, 4096):
            child.terminate()
            break
    sys.exit(child.wait())


def main() -> None:
    """Carry out the order on the first line of standard input."""
    order = json.loads(sys.stdin.buffer.readline())
    if order["do"] == "logs":
        logs(order)
        return
    verbs = {
        "status": status,
        "exec": execute,
        "agentctl": agentctl,
        "bundle": bundle,
        "enrolled": enrolled,
    }
    print(json.dumps(verbs[order["do"]](order)))


if __name__ == "__main__":
    main()
