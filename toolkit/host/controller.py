"""Asks the agent's controller which heartbeats it has seen, as part of the health gate.

The controller answers a GET with JSON: {"heartbeats": [{"version": "1.1.0", "at": "2026-…Z"}, …]}.
Only those count that are newer than the newest one before the trial, by the controller's own clock.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from toolkit.host.clock import parse_time
from toolkit.host.credentials import whole
from toolkit.host.envfile import parse_env
from toolkit.host.errors import UsageError
from toolkit.host.manager import Installation
from toolkit.host.release import Controller, environment

SECONDS = 5.0
_LIMIT = 1 << 20
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class CantSay(Exception):
    """The controller can't be asked now: nothing of it is the agent's fault."""


@dataclass(frozen=True)
class Heartbeats:
    """The heartbeats of one agent, as its controller saw them."""

    gate: Controller
    settings: Mapping[str, str]

    @classmethod
    def of(cls, installation: Installation) -> Heartbeats | None:
        """Give those of an installation, or None where its release names no controller."""
        health = installation.release.health
        if health is None or health.controller is None:
            return None
        env = installation.layout.env
        text = env.read_text("utf-8") if env.exists() else ""
        own = environment(installation.release, str(installation.layout.home))
        return cls(health.controller, {**own, **parse_env(whole(installation, text))})

    def last(self) -> str:
        """Give when the newest heartbeat came, empty where there was none; raises CantSay."""
        return max((beat["at"] for beat in self._ask()), key=parse_time, default="")

    def count(self, version: str, after: str) -> int:
        """Count the heartbeats of `version` that came after the time `after`; raises CantSay."""
        begin = parse_time(after) if after else None
        return sum(
            beat["version"] == version and (begin is None or parse_time(beat["at"]) > begin)
            for beat in self._ask()
        )

    def _ask(self) -> list[dict[str, str]]:
        url = self._filled(self.gate.url)
        host = urlsplit(url).hostname  # the rest of the address may hold what is secret
        request = urllib.request.Request(url)  # noqa: S310 - `_filled` checked the scheme
        if self.gate.token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token()}")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return _parsed(json.loads(answer.read(_LIMIT)))
        except urllib.error.HTTPError as error:
            raise CantSay(f"the controller {host} answered {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or repr(error)
            raise CantSay(f"the controller {host} did not answer: {reason}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise CantSay(f"the controller {host} did not answer with heartbeats") from error

    def _token(self) -> str:
        return self.settings.get(self.gate.token or "", "")

    def _filled(self, url: str) -> str:
        filled = _VARIABLE.sub(lambda match: self.settings.get(match[1], ""), url)
        if not filled.startswith(("http://", "https://")):
            raise UsageError(
                "the address of the controller is no http or https address once its variables "
                f"are filled in: {url}",
                hint="set those variables, as a new run of the install script does",
            )
        return filled


def _parsed(data: Any) -> list[dict[str, str]]:
    beats = [
        {"version": str(beat["version"]), "at": str(beat["at"])} for beat in data["heartbeats"]
    ]
    for beat in beats:
        parse_time(beat["at"])
    return beats
