"""Opens ssh connections by Fabric: jump hosts, ssh's configuration, and known host keys only."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fabric import Connection
from paramiko import MissingHostKeyPolicy, PKey, SSHClient, SSHException, Transport

from toolkit.hosts import Host
from toolkit.known_hosts import SYSTEM, USER, KnownHosts, fingerprint, server_name
from toolkit.reaching import Reach
from toolkit.ssh_config import configuration

# Paramiko would print tracebacks of what is reported here as a failure.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
_OFF = ("no", "false", "none")


class UnknownHostKeyError(SSHException):  # type: ignore[misc]  # Paramiko has no types
    """No known_hosts file has a key of the host; `key` is what it showed."""

    def __init__(self, name: str, key: Any) -> None:
        super().__init__(f"{name} showed a key that is not known: {fingerprint(key)}")
        self.name = name


class _Refuse(MissingHostKeyPolicy):  # type: ignore[misc]
    def missing_host_key(self, client: SSHClient, hostname: str, key: Any) -> None:
        del client
        raise UnknownHostKeyError(hostname, key)


class PatientTransport(Transport):  # type: ignore[misc]
    """Gives a host as long for the exchange of keys as for its first line.

    Paramiko would count both into the seconds in which a host is to take the connection, so that a
    busy host looked like one that is not there.
    """

    def start_client(self, event: threading.Event | None = None, timeout: object = None) -> None:
        """Agree on keys; raises EOFError or SSHException where the host takes too long."""
        del timeout
        self.handshake_timeout = self.banner_timeout
        super().start_client(event)


@dataclass
class Doors:
    """Opens connections: what they share, such as jump hosts and keys, is made once."""

    reach: Reach
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[tuple[Path, ...], KnownHosts] = field(default_factory=dict)
    _keys: dict[str, Any] = field(default_factory=dict)
    _gates: dict[tuple[str, ...], tuple[threading.Lock, Connection]] = field(default_factory=dict)

    def open(self, host: Host) -> Connection:
        """Connect to `host`; raises what Paramiko and sockets raise."""
        connection = self._connection(host)
        gate = connection.gateway
        if isinstance(gate, Connection):
            self._open_gate(gate)
        connection.open()
        return connection

    def close(self) -> None:
        """Close the connections to jump hosts."""
        with self._lock:
            gates = [gate for _, gate in self._gates.values()]
        for gate in reversed(gates):
            gate.close()

    def _connection(self, host: Host) -> Connection:
        file = self.reach.ssh_config
        if "configfile" in host.ssh:
            file = Path(host.ssh["configfile"])
        config = configuration(file)
        said = {**config.base_ssh_config.lookup(host.address), **host.ssh}
        named = said.get("identityfile", [])
        files = (
            [host.identity_file]
            if host.identity_file
            else [named]
            if isinstance(named, str)
            else named
        )
        connection = Connection(
            host.address,
            user=host.user,
            port=host.port,
            config=config,
            connect_timeout=int(float(said.get("connecttimeout", self.reach.connect))) or 1,
            gateway=self._gateway(host, said, file),
            connect_kwargs=self._kwargs(host, said, files),
        )
        # Fabric adds the identity files of the configuration; the first is `pkey` already.
        connection.connect_kwargs["key_filename"] = files[1:]
        self._trust(connection, said)
        return connection

    def _kwargs(self, host: Host, said: dict[str, Any], files: list[str]) -> dict[str, Any]:
        only = said.get("identitiesonly", "no").lower() not in _OFF
        return {
            "pkey": self._key(str(Path(files[0]).expanduser())) if files else None,
            "password": host.password.reveal() if host.password else None,
            "allow_agent": not only,
            "look_for_keys": not files,
            **self._patience(),
        }

    def _patience(self) -> dict[str, Any]:
        steps = ("banner_timeout", "auth_timeout", "channel_timeout")
        return {
            "transport_factory": PatientTransport,
            **dict.fromkeys(steps, self.reach.login),
        }

    def _key(self, file: str) -> Any:
        """Read a private key, once for all hosts that it is for.

        None where it is not there or wants a passphrase: then an agent may have it.
        """
        with self._lock:
            if file not in self._keys:
                try:
                    self._keys[file] = PKey.from_path(file)
                except (OSError, TypeError, ValueError, SSHException):
                    self._keys[file] = None
            return self._keys[file]

    def _gateway(self, host: Host, said: dict[str, Any], file: Path | None) -> Any:
        jump = host.jump or said.get("proxyjump", "none")
        if jump.lower() != "none":
            return self._gates_of(tuple(hop.strip() for hop in jump.split(",")), file)
        command: str = said.get("proxycommand", "none")
        return False if command.lower() == "none" else command

    def _gates_of(self, hops: tuple[str, ...], file: Path | None) -> Connection:
        """Give the connection to the last of `hops`, through those before it."""
        with self._lock:
            if hops in self._gates:
                return self._gates[hops][1]
        before = self._gates_of(hops[:-1], file) if len(hops) > 1 else False
        gate = Connection(
            hops[-1].removeprefix("ssh://"),
            config=configuration(file),
            connect_timeout=int(self.reach.connect) or 1,
            gateway=before,
            connect_kwargs=self._patience(),
        )
        self._trust(gate, configuration(file).base_ssh_config.lookup(gate.original_host))
        with self._lock:
            return self._gates.setdefault(hops, (threading.Lock(), gate))[1]

    def _open_gate(self, gate: Connection) -> None:
        if isinstance(gate.gateway, Connection):
            self._open_gate(gate.gateway)
        with self._lock:
            lock = next(lock for lock, known in self._gates.values() if known is gate)
        with lock:
            gate.open()

    def _trust(self, connection: Connection, said: dict[str, Any]) -> None:
        """Let the connection accept the keys that are known of its host, and no other."""
        known = self._known_hosts(said).of(
            said.get("hostkeyalias", connection.host), connection.port
        )
        name = server_name(connection.host, connection.port)
        for kind, key in known.items():
            connection.client.get_host_keys().add(name, kind, key)
        connection.client.set_missing_host_key_policy(_Refuse())

    def _known_hosts(self, said: dict[str, Any]) -> KnownHosts:
        words = [
            *said.get("userknownhostsfile", USER).split(),
            *said.get("globalknownhostsfile", SYSTEM).split(),
        ]
        files = tuple(Path(word) for word in words)
        if self.reach.known_hosts:
            files = (self.reach.known_hosts,)
        with self._lock:
            if files not in self._known:
                self._known[files] = KnownHosts(files)
            return self._known[files]
