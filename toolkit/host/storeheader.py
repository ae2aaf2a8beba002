"""The header by which a private store lets this host in: it goes to that store, to nobody else."""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from toolkit.host.errors import NotPermitted, UsageError

LIMIT = 16_384
_FORM = re.compile(r"(?P<name>[A-Za-z0-9!#$%&'*+.^_`|~-]+): *(?P<value>[!-~](?:[ -~]*[!-~])?)")
_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int]


@dataclass(frozen=True)
class StoreHeader:
    """One header, and the file that it was read from; its value is shown nowhere."""

    file: Path
    name: str
    value: str = field(repr=False)


def read_header(file: Path, environ: Mapping[str, str] = os.environ) -> StoreHeader:
    """Read a header from the one line of `file`.

    Raises NotPermitted where others may read it, or where it is neither root's nor the caller's
    (whoever called sudo is one); UsageError where it can't be read or is no header.
    """
    try:
        # Without O_NONBLOCK, a pipe of that name would hold us for ever.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(
            f"{file} can't be read: {error.strerror}", hint="name a file that holds the header"
        ) from error
    with os.fdopen(descriptor, "rb") as opened:
        _check_private(file, os.fstat(descriptor), environ)
        return _parse(file, opened.read(LIMIT + 1))


def _check_private(file: Path, facts: os.stat_result, environ: Mapping[str, str]) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise UsageError(f"{file} is no plain file", hint="put the header into a file")
    if facts.st_mode & 0o077:
        raise NotPermitted(
            f"others may read {file} (mode {stat.S_IMODE(facts.st_mode):04o})",
            hint=f"chmod 600 {file}; exchange what is in it if somebody may have seen it",
        )
    owners = {0, os.geteuid()}
    if os.geteuid() == 0 and environ.get("SUDO_UID", "").isdecimal():
        owners.add(int(environ["SUDO_UID"]))
    if facts.st_uid not in owners:
        raise NotPermitted(
            f"{file} is owned by somebody else (user id {facts.st_uid})",
            hint="name a file that you or root own",
        )


def _parse(file: Path, data: bytes) -> StoreHeader:
    line = data.decode("latin-1").removesuffix("\n")
    match = _FORM.fullmatch(line)
    if len(data) > LIMIT or match is None:
        raise UsageError(  # without the line: it may hold the secret all the same
            f"{file} does not hold a header",
            hint="write one line of ASCII, such as: Authorization: Bearer TOKEN",
        )
    return StoreHeader(file, match["name"], match["value"])


@contextmanager
def sending(file: Path | None, store: str, *, over_http: bool = False) -> Iterator[None]:
    """Send the header in `file` with every request to the address `store` while the block runs.

    Raises what `read_header` does, UsageError where the store is a folder, and NotPermitted where
    the network could read the header: over plain http to another machine, unless `over_http`.
    """
    if file is None:
        yield
        return
    origin = _origin(store)
    if origin is None:
        raise UsageError(
            f"{store} takes no header: it is no http or https address",
            hint="leave out --store-header-file",
        )
    if origin[0] == "http" and not (over_http or _is_loopback(origin[1])):
        raise NotPermitted(
            f"{store} is not https: whoever is on the network could read the store's header",
            hint="use the store's https address; in a network that nobody else reads, allow it by "
            "--store-header-over-http (STORE_HEADER_OVER_HTTP=1 for the install script)",
        )
    # Below all that fetches, so that nothing which fetches can forget or misplace it.
    opener = urllib.request.build_opener(_OnlyTo(origin, read_header(file)))
    urllib.request.install_opener(opener)
    try:
        yield
    finally:
        urllib.request.install_opener(urllib.request.build_opener())


def _origin(url: str) -> Origin | None:
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        return None
    return (parts.scheme, parts.hostname or "", port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _OnlyTo(urllib.request.BaseHandler):
    """Adds the header to requests for `origin`; a redirect is a new request, and asked anew."""

    def __init__(self, origin: Origin, header: StoreHeader) -> None:
        self._origin = origin
        self._header = header

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        if _origin(request.full_url) == self._origin:
            # An unredirected header is one that urllib does not copy to where a redirect leads.
            request.add_unredirected_header(self._header.name, self._header.value)
        return request

    https_request = http_request

    def http_error_401(
        self,
        request: urllib.request.Request,
        answer: IO[bytes],
        code: int,
        reason: str,
        headers: Message,
    ) -> None:
        """Say of a refusal what it may come from, where the header was sent."""
        if _origin(request.full_url) == self._origin:
            reason = f"{reason}; the header in {self._header.file} may be wrong"
        raise urllib.error.HTTPError(request.full_url, code, reason, headers, answer)

    http_error_403 = http_error_401
