"""A small ssh server on this machine, which may be slow; its commands run here."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import paramiko
from paramiko import ECDSAKey, PKey, ServerInterface, Transport

from toolkit.hosts import Host


class SshServer:
    """Lets one key in as `operator`; use as a context manager.

    `slow` is how many seconds it lets a client wait before it says its first word, `logins` how
    many it let in, `refuse` whether it hangs up on whoever comes.
    """

    def __init__(self, folder: Path) -> None:
        self.slow = 0.0
        self.logins = 0
        self.refuse = False
        self._folder = folder
        self._own: PKey = ECDSAKey.generate()
        self._theirs = ECDSAKey.generate()
        self._theirs.write_private_key_file(str(folder / "key"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[Transport] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def host(self) -> Host:
        """Give this server as a host of an inventory."""
        return Host(
            "here",
            "127.0.0.1",
            self.port,
            "operator",
            identity_file=str(self._folder / "key"),
            become=False,
            ssh={"identitiesonly": "yes"},
        )

    @property
    def known_hosts(self) -> Path:
        """Write a file with its key."""
        file = self._folder / "known_hosts"
        key = f"{self._own.get_name()} {self._own.get_base64()}"
        file.write_text(f"[127.0.0.1]:{self.port} {key}\n", encoding="ascii")
        return file

    def __enter__(self) -> SshServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections."""
        for transport in self._open:
            transport.close()
        self._open.clear()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                client.close()
            else:
                threading.Thread(target=self._greet, args=(client,), daemon=True).start()

    def _greet(self, client: socket.socket) -> None:
        time.sleep(self.slow)
        transport = Transport(client)
        transport.add_server_key(self._own)
        self._open.append(transport)
        try:
            transport.start_server(server=_Commands(self, self._theirs))
        except (EOFError, OSError, paramiko.SSHException):
            transport.close()


class _Commands(ServerInterface):  # type: ignore[misc]  # Paramiko has no types
    def __init__(self, server: SshServer, key: PKey) -> None:
        self._server = server
        self._key = key

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: PKey) -> int:
        if username != "operator" or key != self._key:
            return int(paramiko.AUTH_FAILED)
        self._server.logins += 1
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        threading.Thread(target=_run, args=(channel, command), daemon=True).start()
        return True


def _run(channel: Any, command: bytes) -> None:
    with subprocess.Popen(
        ["sh", "-c", command.decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
        while said := process.stdout.read1():  # type: ignore[attr-defined]
            channel.sendall(said)
    channel.send_exit_status(process.returncode)
    channel.close()


def _feed(channel: Any, stdin: Any) -> None:
    try:
        while data := channel.recv(65_536):
            stdin.write(data)
            stdin.flush()
        stdin.close()
    except OSError:
        pass
