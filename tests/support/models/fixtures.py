"""What tests of the brains share: a model and tools on this machine, and no way to any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.models.alone import leave_alone
from tests.support.models.mcp_server import ToolServer, tool_server
from tests.support.models.server import ModelServer, model_server

__all__ = ["alone", "models", "tools"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_alone(monkeypatch)


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture
def tools() -> Iterator[ToolServer]:
    with tool_server() as server:
        yield server
