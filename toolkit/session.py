"""One program that runs on one host: its input, its output as it comes, and its end."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from toolkit.hosts import Host
from toolkit.launch import ASKS, FAULT, NO_PYTHON, READY, payload, rights

_CHUNK = 65_536
_MOST = 64 * 1024 * 1024


class Pipe(Protocol):
    """Both streams of a started command."""

    def send(self, data: bytes) -> None:
        """Write all of `data`."""

    def finish(self) -> None:
        """Say that nothing more will be written."""

    def receive(self, seconds: float) -> bytes:
        """Give what comes next, nothing at the end; raises TimeoutError."""

    def code(self, seconds: float) -> int:
        """Give the exit code; raises TimeoutError."""

    def close(self) -> None:
        """End it, whether or not it has ended by itself."""


class SshPipe:
    """A command on a host, over a transport of Paramiko's."""

    def __init__(self, transport: Any, command: str, seconds: float) -> None:
        self._channel = transport.open_session(timeout=seconds)
        self._channel.set_combine_stderr(True)
        self._channel.settimeout(seconds)
        self._channel.exec_command(command)

    def send(self, data: bytes) -> None:
        """Write all of `data`."""
        self._channel.sendall(data)

    def finish(self) -> None:
        """Say that nothing more will be written."""
        self._channel.shutdown_write()

    def receive(self, seconds: float) -> bytes:
        """Give what comes next."""
        self._channel.settimeout(max(seconds, 0.01))
        got: bytes = self._channel.recv(_CHUNK)
        return got

    def code(self, seconds: float) -> int:
        """Give the exit code."""
        if not self._channel.status_event.wait(max(seconds, 0.01)):
            raise TimeoutError
        code: int = self._channel.recv_exit_status()
        return code

    def close(self) -> None:
        """End it."""
        self._channel.close()


class LocalPipe:
    """A command on this machine."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for toolkit, which then closes this in order
        )

    def send(self, data: bytes) -> None:
        """Write all of `data`."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.write(data)
            stdin.flush()

    def finish(self) -> None:
        """Say that nothing more will be written."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def receive(self, seconds: float) -> bytes:
        """Give what comes next."""
        stdout = self._process.stdout
        if stdout is None or not select.select([stdout], [], [], max(seconds, 0))[0]:
            raise TimeoutError
        return os.read(stdout.fileno(), _CHUNK)

    def code(self, seconds: float) -> int:
        """Give the exit code."""
        try:
            return self._process.wait(max(seconds, 0.01))
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.terminate()


class NoPythonError(Exception):
    """The host has no such Python."""


class NoSudoError(Exception):
    """Sudo on the host did not let us be root; the text is what it said."""


class BrokenError(Exception):
    """The command on the host ended in another way than programs of ours do."""


@dataclass
class Session:
    """A started program; `deadline` is a reading of `clock`, in seconds.

    With `ends` its standard input ends after the order, else it ends when the pipe is closed.
    """

    host: Host
    pipe: Pipe
    deadline: float
    ends: bool = True
    clock: Callable[[], float] = time.monotonic

    def start(self, program: str, order: bytes) -> bytes:
        """Hand over the program and its order; give what it printed so far.

        The password for sudo is sent when sudo asks, and once: a wrong one on every host, tried
        three times, would lock the account. Raises NoPythonError, NoSudoError, BrokenError,
        TimeoutError.
        """
        waits = rights(self.host) == "password"
        if not waits:
            self._hand_over(program, order)
        seen, asked = b"", False
        while READY + b"\n" not in seen:
            if waits and not asked and ASKS.encode() in seen:
                asked, seen = True, b""
                password = self.host.become_password
                self._send((password.reveal() if password else "").encode() + b"\n")
            elif asked and ASKS.encode() in seen:
                raise NoSudoError("sudo did not take the password")
            got = self.pipe.receive(self._left())
            seen += got
            if not got:
                raise self._not_started(seen)
        if waits:
            self._hand_over(program, order)
        return seen.partition(READY + b"\n")[2]

    def output(self, first: bytes) -> Iterator[bytes]:
        """Give all that the program prints, beginning with what `start` gave."""
        if first:
            yield first
        while got := self.pipe.receive(self._left()):
            yield got

    def all(self, program: str, order: bytes) -> bytes:
        """Run the program to its end and give all that it printed.

        Raises what `start` does; BrokenError where the program ended with an exception.
        """
        printed = bytearray()
        for piece in self.output(self.start(program, order)):
            printed += piece
            if len(printed) > _MOST:
                raise BrokenError(f"it printed more than {_MOST >> 20} MB")
        if self.pipe.code(self._left()) == FAULT:
            raise BrokenError(_last_line(bytes(printed)))
        return bytes(printed)

    def _hand_over(self, program: str, order: bytes) -> None:
        self._send(payload(program, order), ends=self.ends)

    def _send(self, data: bytes, *, ends: bool = False) -> None:
        try:
            self.pipe.send(data)
            if ends:
                self.pipe.finish()
        except TimeoutError:
            raise
        except OSError:
            pass  # it ended before it read: what it printed says why

    def _left(self) -> float:
        left = self.deadline - self.clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _not_started(self, seen: bytes) -> Exception:
        code, said = self.pipe.code(self._left()), _last_line(seen)
        if code == NO_PYTHON:
            return NoPythonError(f"{self.host.python} is not there")
        if "sudo:" in said or (code == 1 and rights(self.host) in ("password", "always")):
            return NoSudoError(said or "sudo did not let us be root")
        return BrokenError(f"the command ended with {code}" + (f": {said}" if said else ""))


def _last_line(printed: bytes) -> str:
    lines = printed.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
