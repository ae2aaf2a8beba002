"""Speaks with the AIWM controller as a user: its agents, and credentials for them."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from toolkit.errors import ControllerAwayError, ControllerError, UsageError
from toolkit.secret import Secret

SECONDS = 15.0
_PAGE = 500
_PAUSES = (1.0, 2.0)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HINTS = {
    401: "get a new token: aiwm-controller token --email YOU; then run the same command again",
    403: "use the token of an editor or an owner",
    404: "check --controller: the address, with its prefix",
    429: "wait a minute, then run the same command again",
}
_LATER = "look at the controller's log and /health, then run the same command again"


@dataclass(frozen=True)
class Agent:
    """An agent as its controller sees it; `heard` is when its last heartbeat came."""

    id: str
    name: str
    status: str = ""
    liveness: str = ""
    version: str = ""
    heard: datetime | None = None


@dataclass(frozen=True)
class Controller:
    """A controller at `url`, and the token of a user of it."""

    url: str
    token: Secret = field(repr=False)

    def agents(self) -> Iterator[Agent]:
        """Give all agents of the user's organization that have credentials of their own."""
        page = 1
        while True:
            query = f"type=autonomous&sortBy=createdAt&sort=asc&limit={_PAGE}&page={page}"
            rows = self._ask("GET", f"/agents?{query}")["data"]
            yield from (self._agent(row) for row in rows)
            if len(rows) < _PAGE:
                return
            page += 1

    def agent(self, agent_id: str) -> Agent:
        """Give one agent."""
        return self._agent(self._ask("GET", f"/agents/{agent_id}"))

    def make(self, name: str, release: str, tags: Sequence[str] = ()) -> Agent:
        """Make an agent that installs `release`."""
        body = {"name": name, "type": "autonomous", "release": release, "tags": list(tags)}
        return self._agent(self._ask("POST", "/agents", body))

    def credential(self, agent_id: str) -> Secret:
        """Give an agent a new secret; the one that it had stops to work at once."""
        said = self._ask("POST", f"/agents/{agent_id}/regenerate-credentials")
        try:
            return Secret(str(said["secret"]))
        except KeyError as error:
            raise self._strange() from error

    def _agent(self, row: Mapping[str, Any]) -> Agent:
        try:
            heard = row.get("lastHeartbeatAt")
            return Agent(
                id=str(row["id"]),
                name=str(row["name"]),
                status=str(row.get("status") or ""),
                liveness=str(row.get("liveness") or ""),
                version=str(row.get("version") or ""),
                heard=datetime.fromisoformat(heard) if heard else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._strange() from error

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        # What makes something is asked once: nobody knows what became of it where no answer came.
        pauses = (*_PAUSES, None) if method == "GET" else (None,)
        for pause in pauses:
            try:
                return self._once(method, path, body)
            except _Later as error:
                if pause is None:
                    raise error.fault from error.__cause__
                time.sleep(pause)
        raise AssertionError("the last pause is None")

    def _once(self, method: str, path: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)  # noqa: S310
        # Unredirected: urllib would send it to wherever a redirect leads.
        request.add_unredirected_header("Authorization", f"Bearer {self.token.reveal()}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                found = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code >= 500 or error.code == 429:
                raise _Later(self._refused(error, ControllerAwayError)) from error
            raise self._refused(error, ControllerError) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise _Later(
                ControllerAwayError(
                    f"the controller {self.url} did not answer",
                    why=str(reason) or repr(reason),
                    hint="check --controller and this machine's network, then run the same "
                    "command again",
                )
            ) from error
        except ValueError as error:
            raise self._strange() from error
        if not isinstance(found, dict):
            raise self._strange()
        return found

    def _refused(
        self, error: urllib.error.HTTPError, kind: type[ControllerError]
    ) -> ControllerError:
        try:
            said = json.loads(error.read(65_536))
            why = " ".join(str(said.get(key) or "") for key in ("message", "hint")).strip()
        except (ValueError, OSError, AttributeError):
            why = ""
        hint = _HINTS.get(error.code, _LATER if error.code >= 500 else "mend what it names")
        return kind(f"the controller answered {error.code} {error.reason}", why=why, hint=hint)

    def _strange(self) -> ControllerError:
        return ControllerError(
            f"{self.url} answered, and not as a controller does",
            hint="check --controller: the address, with its prefix",
        )


class _Later(Exception):
    """The same may be asked again; `fault` is what to say where that helps nothing."""

    def __init__(self, fault: ControllerError) -> None:
        super().__init__(fault.message)
        self.fault = fault


def address(url: str, *, over_http: bool) -> str:
    """Give the address without a slash at its end.

    Raises UsageError where it is none, or where a token would go over the network in the clear.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise UsageError(f"{url} is no http or https address", hint="such as https://HOST/aiwm")
    if parts.username or parts.password:
        raise UsageError("the controller's address holds a password", hint="leave it out")
    if parts.scheme == "http" and host not in _LOOPBACK and not over_http:
        raise UsageError(
            f"{url} is not https: the network could read tokens and secrets",
            hint="use the controller's https address; --over-http takes this one all the same",
        )
    return url.rstrip("/")
