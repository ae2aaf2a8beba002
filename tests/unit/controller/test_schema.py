"""The migrations make the tables that the models describe, no more and no less."""

from __future__ import annotations

from pathlib import Path

from aiwm_controller.models import Base
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine


def test_the_migrations_make_what_the_models_describe(made: Path) -> None:
    engine = create_engine(f"sqlite:///{made}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()
