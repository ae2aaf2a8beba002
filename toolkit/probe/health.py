"""Tries the health gate once, from the host itself."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from toolkit.probe.commands import Command, run
from toolkit.probe.files import Facts, reason

SECONDS = 15


def health_fact(kind: str, target: Sequence[str], user: str | None) -> Facts:
    """Try the gate: `target` is a URL for http, HOST:PORT for tcp, an argv for command."""
    if kind == "command":
        done = run(Command(target, user=user))
        why = f": {done.why}" if done.why else ""
        return {"holds": done.code == 0, "found": f"exit code {done.code}{why}"}
    begun = time.monotonic()
    try:
        answer = _http(target[0]) if kind == "http" else _tcp(target[0])
    except urllib.error.HTTPError as error:
        return {"holds": False, "found": f"HTTP {error.code}"}
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        found = reason(cause) if isinstance(cause, OSError) else str(cause).strip() or repr(cause)
        return {"holds": False, "found": found}
    return {"holds": True, "found": f"{answer} in {(time.monotonic() - begun) * 1000:.0f} ms"}


def _http(url: str) -> str:
    # A proxy is somewhere else, and the question is what this host answers to itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=SECONDS) as response:
        return f"HTTP {response.status}"


def _tcp(address: str) -> str:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS):
        return "connected"
