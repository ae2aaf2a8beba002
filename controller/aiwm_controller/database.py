"""The database: one engine, reads side by side, writes one after another where it is SQLite."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from aiwm_controller.errors import SetupError
from aiwm_controller.sqlite_pragmas import prepare_sqlite

SECONDS = 10.0  # that PostgreSQL may take for a statement of the serving process


class Database:
    """Gives sessions; `write` holds a transaction that is committed where nothing was raised.

    PostgreSQL that takes more than `seconds` for a statement, or to be connected to, counts as
    gone: a TimeoutError is raised, and the connection is not used again.
    """

    def __init__(self, url: URL, *, seconds: float | None = None) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.file = url.database or ""  # SQLite's
        options: dict[str, Any] = {"pool_pre_ping": True}
        if self.is_sqlite:
            options = {"connect_args": {"timeout": 30}}
        else:
            options |= {"pool_size": 10, "max_overflow": 10, "pool_timeout": 10}
            options["connect_args"] = {"command_timeout": seconds, "timeout": seconds or 60.0}
        self.engine = create_async_engine(url, **options)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.turn = asyncio.Lock()  # who writes into SQLite holds it
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepared)
            event.listen(self.engine.sync_engine, "begin", _begin)
        else:
            event.listen(self.engine.sync_engine, "handle_error", _left)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Give a session that only reads."""
        async with self._sessions() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Give a session in a transaction. SQLite has one writer, so that others wait here."""
        if not self.is_sqlite:
            async with self._sessions.begin() as session:
                yield session
            return
        async with self.turn, self._sessions() as session:
            await session.connection(execution_options={"writes": True})
            yield session
            await session.commit()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    async def upgrade(self) -> None:
        """Bring the schema to what this version of the controller needs; makes SQLite's file."""
        if self.is_sqlite:
            make_private(self.file)
        async with self.engine.connect() as connection:
            found = await connection.run_sync(_revision)
            if found not in _revisions():
                return  # of a newer version, which only added to it
            await connection.run_sync(_upgrade)
            await connection.commit()

    async def check_schema(self) -> None:
        """Raise SetupError where the schema lacks something that this version needs.

        A newer version's will do: migrations only add, so that the version before runs on after
        an upgrade that was taken back.
        """
        if self.is_sqlite and not Path(self.file).exists():  # SQLite would make an empty one
            raise SetupError(
                f"there is no database {self.file}",
                hint="run `aiwm-controller init` to make it, or name another by --database",
            )
        async with self.engine.connect() as connection:
            found = await connection.run_sync(_revision)
        head = ScriptDirectory.from_config(_config()).get_current_head()
        # Revisions are numbers of one length.
        if found is None or head is None or found < head:
            raise SetupError(
                f"the database has the schema {found or 'of nothing'}, and {head} is needed",
                hint="run `aiwm-controller init` for a new database, `migrate` for an older one",
            )


def is_duplicate(error: IntegrityError) -> bool:
    """Say whether a row was refused since another one has what must be unique."""
    name = getattr(error.orig, "sqlite_errorname", "")
    state = getattr(error.orig, "sqlstate", "")  # 23505 is PostgreSQL's unique_violation
    return name in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY") or state == "23505"


def _left(context: ExceptionContext) -> None:
    # Else the session would wait as long again for the answer to its ROLLBACK.
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True


def _prepared(connection: Any, _: object) -> None:
    prepare_sqlite(connection)
    # SQLite's own leaves all letters as they are that ASCII does not have.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


def make_private(file: str) -> None:
    """Make a file where there is none, for its owner alone: the key for tokens will be in it.

    SQLite gives the files beside it the same mode. Raises OSError.
    """
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later could fail: another may have written.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revisions() -> set[str | None]:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return {None, *(script.revision for script in scripts)}


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
