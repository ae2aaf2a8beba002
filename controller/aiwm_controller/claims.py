"""Sees to it that nobody else serves from the same SQLite file, or on the same port."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from aiwm_controller.errors import SetupError


@contextmanager
def claimed(database: URL) -> Iterator[None]:
    """Hold FILE.serving; raises SetupError where another controller does.

    PostgreSQL may have many: nothing is held then.
    """
    if database.get_backend_name() != "sqlite" or not database.database:
        yield
        return
    with Path(f"{database.database}.serving").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError(
                f"another controller serves from {database.database}",
                hint="stop that one, or give this one a database of its own by --database",
            ) from error
        yield


def check_port(host: str, port: int) -> None:
    """Raise SetupError where nothing can listen there; 0 is any port that is free."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SetupError(
            f"port {port} of {host} can't be listened on: {error.strerror}",
            hint="stop what listens there, or choose another by --port",
        ) from error
