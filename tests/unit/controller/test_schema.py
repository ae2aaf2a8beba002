"""The migrations make the tables that the models describe, no more and no less."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiwm_controller import database, setup
from aiwm_controller.models import Base
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from tests.support.aiwm import sqlite_settings


def differences(file: Path) -> list[Any]:
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[Any] = compare_metadata(context, Base.metadata)
    engine.dispose()
    return found


def test_the_migrations_make_what_the_models_describe(made: Path) -> None:
    assert differences(made) == []


def test_an_older_database_keeps_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "controller.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config = Config()
        folder = Path(database.__file__).parent / "migrations"
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        now = "2026-11-21 06:00:00"
        connection.execute(text(f"INSERT INTO organizations VALUES ('o', 'One', '{now}')"))
        connection.execute(
            text(
                "INSERT INTO deployments (id, org_id, name, description, provider, model, status,"
                " api_endpoint, base_api_endpoint, created_at, updated_at, created_by, updated_by)"
                f" VALUES ('d', 'o', 'D', '', 'x', 'm', 'active', '', '', '{now}', '{now}', '', '')"
            )
        )
    engine.dispose()
    asyncio.run(setup.migrate(sqlite_settings(tmp_path)))
    assert differences(file) == []
    with create_engine(f"sqlite:///{file}").connect() as connection:
        assert connection.execute(text("SELECT name, sealed_key FROM deployments")).all() == [
            ("D", None)
        ]


@pytest.mark.parametrize(
    ("row", "duplicate"), [("(1, 'one')", True), ("(2, 'one')", True), ("(2, NULL)", False)]
)
def test_only_what_must_be_unique_is_a_duplicate(row: str, duplicate: bool) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, name UNIQUE NOT NULL)"))
        connection.execute(text("INSERT INTO t VALUES (1, 'one')"))
    with pytest.raises(IntegrityError) as refused, engine.begin() as connection:
        connection.execute(text(f"INSERT INTO t VALUES {row}"))
    assert database.is_duplicate(refused.value) is duplicate
