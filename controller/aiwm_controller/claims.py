"""Sees to it that nobody else serves from the same SQLite file, or on the same port."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from aiwm_controller.errors import SetupError

_MENDS = {
    errno.EADDRINUSE: "stop what listens there, or choose another by --port",
    errno.EACCES: "choose another by --port: those below 1024 are root's",
}


@contextmanager
def claimed(database: URL) -> Iterator[None]:
    """Hold FILE.serving; raises SetupError where another controller does.

    PostgreSQL may have many: nothing is held then.
    """
    if database.get_backend_name() != "sqlite" or not database.database:
        yield
        return
    with ExitStack() as held:
        try:
            lock = held.enter_context(Path(f"{database.database}.serving").open("ab"))
        except OSError as error:
            raise SetupError(
                f"{error.filename} can't be written: {error.strerror}",
                hint="this user must be able to write into the database's folder",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError(
                f"another controller serves from {database.database}",
                hint="stop that one, or give this one a database of its own by --database",
            ) from error
        yield


def check_port(host: str, port: int) -> int:
    """Give the port; 0 gives one that is free. Raises SetupError where nothing can listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise SetupError(
            f"port {port} of {host} can't be listened on: {error.strerror}",
            hint=_MENDS.get(error.errno or 0, "name an address of this machine by --host"),
        ) from error


def check_socket(path: str) -> None:
    """Raise SetupError where no Unix socket can be made, or another process listens at one."""
    folder = Path(path).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SetupError(
            f"no socket can be made in {folder}",
            hint="name a folder that is there and that this user can write into, by --uds",
        )
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return  # nothing listens: one that was left behind is replaced
    raise SetupError(
        f"another process listens at {path}", hint="stop that one, or choose another by --uds"
    )
