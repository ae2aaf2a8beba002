"""Why a host gave no answer: what Paramiko, sockets and the session raise, as few plain kinds."""

from __future__ import annotations

import json
import socket

from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    PasswordRequiredException,
    SSHException,
)
from paramiko.ssh_exception import NoValidConnectionsError

from toolkit.connections import UnknownHostKeyError
from toolkit.errors import ControllerError
from toolkit.hosts import Host
from toolkit.known_hosts import fingerprint
from toolkit.reaching import Failure, Kind
from toolkit.session import BrokenError, NoPythonError, NoSudoError


def failure_of(error: Exception, host: Host, *, connected: bool) -> Failure:
    """Say what `error` means; `connected` says whether the host had let us in before."""
    if isinstance(error, (BadHostKeyException, UnknownHostKeyError)):
        return _host_key(error, host)
    if _slow(error, connected=connected):
        where = f"{host.address}:{host.port or 22}"
        hint = "look whether it has too much to do; then run it again"
        return Failure(Kind.UNREACHABLE, f"{where} took the connection, and no login in time", hint)
    if isinstance(error, (AuthenticationException, PasswordRequiredException)) or (
        "No authentication methods" in str(error)
    ):
        who = host.user or "this user"
        hint = "name a key that it lets in (ansible_private_key_file), or load it: ssh-add"
        return Failure(Kind.AUTH, f"it does not let {who} in: {_text(error)}", hint)
    if isinstance(error, ControllerError):  # before anything was done to the host
        return Failure(
            Kind.CONTROLLER, ": ".join(filter(None, (error.message, error.why))), error.hint
        )
    if isinstance(error, (OSError, SSHException, EOFError)):
        return _network(error, host, connected=connected)
    return _program(error)


def _slow(error: Exception, *, connected: bool) -> bool:
    """Say whether the host was too slow for a login; Paramiko has words for it, and no class."""
    if isinstance(error, AuthenticationException):
        return any(words in str(error) for words in ("timeout", "transport shut down"))
    no_line = isinstance(error, SSHException) and "protocol banner" in str(error)
    return not connected and (no_line or isinstance(error, EOFError))


def _program(error: Exception) -> Failure:
    """Say what it means that the program did not start, or did not end as it should."""
    if isinstance(error, NoPythonError):
        return Failure(Kind.NO_PYTHON, str(error), "install it: sudo apt-get install python3")
    if isinstance(error, NoSudoError):
        hint = "give its password (ansible_become_password, or --ask-become-password), or allow "
        return Failure(Kind.NO_SUDO, str(error), f"{hint}sudo without one")
    by_hand = "run the same on the host by hand"
    if isinstance(error, BrokenError):
        return Failure(Kind.BROKEN, str(error), by_hand)
    if isinstance(error, json.JSONDecodeError):
        return Failure(Kind.BROKEN, f"its answer is no JSON: {error.doc[:120]!r}", by_hand)
    why = f"{type(error).__name__}: {_text(error)}"
    return Failure(Kind.BROKEN, why, "this is a fault of toolkit; please report it")


def _network(error: Exception, host: Host, *, connected: bool) -> Failure:
    where = f"{host.address}:{host.port or 22}"
    if isinstance(error, TimeoutError):
        if connected:
            hint = "it may still be at work; give more time with --timeout"
            return Failure(Kind.TIMEOUT, "it did not answer in time", hint)
        hint = "check that it is up and that the network leads there"
        return Failure(Kind.UNREACHABLE, f"{where} does not take connections in time", hint)
    if isinstance(error, socket.gaierror):
        hint = "mend its name, or set ansible_host"
        return Failure(Kind.UNREACHABLE, f"nobody knows an address of {host.address}", hint)
    if connected:
        hint = "it may still be at work; look at it by hand"
        return Failure(Kind.CUT, f"the connection broke off: {_text(error)}", hint)
    hint = "check the address, the network and that its sshd runs"
    if isinstance(error, NoValidConnectionsError):
        cause = next(iter(error.errors.values()))
        return Failure(Kind.UNREACHABLE, f"{where}: {_text(cause)}", hint)
    return Failure(Kind.UNREACHABLE, f"{where}: {_text(error)}", hint)


def _host_key(error: BadHostKeyException | UnknownHostKeyError, host: Host) -> Failure:
    target = f"{host.user}@{host.address}" if host.user else host.address
    port = f" -p {host.port}" if host.port and host.port != 22 else ""
    if isinstance(error, UnknownHostKeyError):
        hint = (
            "compare that with what the host itself shows (ssh-keygen -lf "
            f"/etc/ssh/ssh_host_ed25519_key.pub), then accept it once: ssh{port} {target}"
        )
        return Failure(Kind.HOST_KEY, str(error), hint)
    name = f"[{host.address}]:{host.port}" if port else host.address
    why = (
        f"its key is {fingerprint(error.key)}, known is {fingerprint(error.expected_key)}: "
        "another machine answers there, or it was installed anew"
    )
    hint = f"find out which; only if it was installed anew: ssh-keygen -R '{name}', then accept it"
    return Failure(Kind.HOST_KEY, why, hint)


def _text(error: BaseException) -> str:
    known = getattr(error, "strerror", None) or str(error)
    return str(known).strip().rstrip(".") or type(error).__name__
