"""Fixtures of the engine's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tried import Fake, installed
from toolkit.host.layout import Layout
from toolkit.host.managers import MANAGERS


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A service that runs 1.0 and has 2.0 beside it."""
    return installed(tmp_path / "tiny")


@pytest.fixture
def manager(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A manager called direct, which runs nothing."""
    fake = Fake(layout)
    monkeypatch.setitem(MANAGERS, "direct", fake)
    return fake
