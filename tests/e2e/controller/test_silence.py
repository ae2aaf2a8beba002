"""PostgreSQL that keeps its connections and says nothing, and then speaks again."""

from __future__ import annotations

import time

import pytest
from aiwm_controller import database as databases
from aiwm_controller.routes import operations
from aiwm_controller.settings import Settings, database_url

from tests.support.aiwm import Caller, Json, controller, prepare
from tests.support.postgres import cluster

BEAT = {"status": "online", "metrics": {"cpu": 0.5}}


def test_a_silent_database_is_left_and_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "SECONDS", 1.0)
    monkeypatch.setattr(operations, "SECONDS", 0.5)
    with cluster() as found:
        settings = Settings(database=database_url(found.database("silent")))
        prepare(settings)
        with controller(settings) as running:
            agent, caller = running.connected()
            beat, shown = f"/agents/{agent['id']}/heartbeat", f"/agents/{agent['id']}"
            caller.ok("POST", beat, BEAT)
            with found.silent():
                for _ in range(2):
                    assert _answered(caller, "POST", beat, BEAT) == 503
                    assert _answered(running.owner, "GET", shown) == 503
                    assert _answered(running.nobody, "GET", "/health") == 503
            assert _again(caller, beat) == 200
            assert running.nobody.status("GET", "/health") == 200
            assert running.owner.status("GET", shown) == 200


def _answered(caller: Caller, method: str, path: str, body: Json | None = None) -> int:
    begin = time.monotonic()
    status = caller.status(method, path, body)
    assert time.monotonic() - begin < 60, f"{method} {path} waited for what never comes"
    return status


def _again(caller: Caller, beat: str) -> int:
    """Give the first answer that is not 503, for ten seconds."""
    until = time.monotonic() + 10
    while (status := caller.status("POST", beat, BEAT)) == 503 and time.monotonic() < until:
        time.sleep(0.2)
    return status
