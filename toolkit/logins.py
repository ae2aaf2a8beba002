"""Logs in to hosts, and keeps connections for the next time where that is wanted.

A login costs a small host more than what is asked of it afterwards. Who has several things to ask,
such as a rollout, logs in once, and each thing is a channel of its own on that connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fabric import Connection
from paramiko import SSHException

from toolkit.connections import Doors
from toolkit.hosts import Host
from toolkit.reaching import Reach
from toolkit.session import SshPipe

_IDLE = 900.0  # then whoever may log in to the host is asked for again
_STALE = 10.0  # a connection that nobody used meanwhile may have broken unseen
_ALIVE = 30  # so often something is sent, or routers on the way would forget it


@dataclass
class Logins:
    """Logs in to hosts; of the connections that are not in use, the `keep` youngest are kept."""

    reach: Reach
    keep: int = 0
    clock: Callable[[], float] = time.monotonic
    _doors: Doors = field(init=False)
    _kept: dict[str, tuple[Connection, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._doors = Doors(self.reach)

    def start(
        self, host: Host, command: str, deadline: float, opened: Callable[[Connection], None]
    ) -> SshPipe:
        """Start a command on a host; `opened` is given the connection as soon as there is one.

        Raises what Paramiko and sockets raise.
        """
        kept = self._take(host.name)
        if kept is not None:
            try:
                pipe = SshPipe(kept.transport, command, _STALE)
            except (OSError, EOFError, SSHException):
                kept.close()  # nothing was begun yet, so another one will do
            else:
                opened(kept)
                return pipe
        connection = self._doors.open(host)
        opened(connection)
        return SshPipe(connection.transport, command, max(deadline - self.clock(), 0.1))

    def end(self, host: str, connection: Connection, *, well: bool) -> None:
        """Take a connection back that is not in use any more; it is kept if all went `well`."""
        surplus = [connection]
        with self._lock:
            if well and self.keep and not self._closed and connection.is_connected:
                connection.transport.set_keepalive(_ALIVE)
                surplus = [self._kept.pop(host)[0]] if host in self._kept else []
                self._kept[host] = (connection, self.clock())
                while len(self._kept) > self.keep:
                    surplus.append(self._kept.pop(next(iter(self._kept)))[0])
        for each in surplus:
            each.close()

    def close(self) -> None:
        """Close all that is kept, then the connections to jump hosts."""
        with self._lock:
            self._closed = True
            kept, self._kept = [each for each, _ in self._kept.values()], {}
        for connection in kept:
            connection.close()
        self._doors.close()

    def _take(self, host: str) -> Connection | None:
        with self._lock:
            connection, since = self._kept.pop(host, (None, 0.0))
        if connection is None or (connection.is_connected and self.clock() - since < _IDLE):
            return connection
        connection.close()
        return None
