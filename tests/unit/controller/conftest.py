"""A controller in the process, on SQLite."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aiwm import Running, controller, prepare, sqlite_settings


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database that each test gets a copy of."""
    folder = tmp_path_factory.mktemp("made")
    prepare(sqlite_settings(folder))
    return folder / "controller.db"


@pytest.fixture
def running(tmp_path: Path, made: Path) -> Iterator[Running]:
    shutil.copy(made, tmp_path)
    with controller(sqlite_settings(tmp_path)) as found:
        yield found
