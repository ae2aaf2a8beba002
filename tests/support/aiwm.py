"""A controller in the process, with two organizations, for tests of its API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from aiwm_controller import setup
from aiwm_controller.app import create
from aiwm_controller.settings import Settings, database_url
from fastapi.testclient import TestClient

PASSWORD = "correct horse battery"
Json = dict[str, Any]


@dataclass
class Watch:
    """A clock that a test moves."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 21, 6, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def ticks(self) -> float:
        return self.now.timestamp()

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Caller:
    """Somebody who calls the API with a token."""

    client: TestClient
    token: str = ""

    def __call__(self, method: str, path: str, body: object = None, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        return self.client.request(method, path, json=body, headers=headers, **more)

    def ok(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        answer = self(method, path, body, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def status(self, method: str, path: str, body: object = None, **more: Any) -> int:
        return self(method, path, body, **more).status_code


@dataclass
class Running:
    """A controller with an owner in each of two organizations."""

    client: TestClient
    owner: Caller
    stranger: Caller
    watch: Watch
    settings: Settings

    @property
    def nobody(self) -> Caller:
        return Caller(self.client)

    def as_(self, token: str) -> Caller:
        return Caller(self.client, token)

    def agent(self, **fields: Any) -> Json:
        body = {"name": "Agent One", "type": "autonomous", **fields}
        made: Json = self.owner.ok("POST", "/agents", body)
        return made

    def credentials(self, agent_id: str) -> Json:
        made: Json = self.owner.ok("POST", f"/agents/{agent_id}/regenerate-credentials")
        return made

    def connected(self, **fields: Any) -> tuple[Json, Caller]:
        """Give an agent, and it as a caller."""
        agent = self.agent(**fields)
        secret = self.credentials(agent["id"])["secret"]
        answer = self.nobody.ok("POST", f"/agents/{agent['id']}/connect", {"secret": secret})
        return agent, self.as_(answer["accessToken"])


def prepare(settings: Settings) -> None:
    """Make the schema, and an owner in each of two organizations."""
    asyncio.run(setup.init(settings, "owner@example.com", "One", PASSWORD))
    asyncio.run(setup.init(settings, "stranger@example.com", "Two", None))


@contextmanager
def controller(settings: Settings) -> Iterator[Running]:
    """Run a controller on a database that `prepare` made."""
    watch = Watch(datetime.now(UTC).replace(microsecond=0))
    tokens = [
        asyncio.run(setup.token(settings, email, 24 * 365))["token"]
        for email in ("owner@example.com", "stranger@example.com")
    ]
    app = create(settings, clock=watch, ticks=watch.ticks)
    with TestClient(app, raise_server_exceptions=True) as client:
        yield Running(client, Caller(client, tokens[0]), Caller(client, tokens[1]), watch, settings)


def sqlite_settings(folder: Path, **more: Any) -> Settings:
    """Give the settings of a controller on a new SQLite file."""
    url = database_url(f"sqlite:///{folder}/controller.db")
    return replace(Settings(database=url, connects_a_minute=1000), **more)
