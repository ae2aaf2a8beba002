"""Downloads a file into a folder and proves that it is the one that was published."""

from __future__ import annotations

import errno
import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from toolkit.host.errors import DownloadFailed, EndlessData, HashMismatch, NotServed, UsageError
from toolkit.host.meter import read_some
from toolkit.host.retry import PATIENCE, asked_to_wait, spread

CHUNK = 1 << 20
# Slower than SLOWEST bytes a second over WINDOW seconds is no download but a way to hold a host.
SLOWEST = 1000
WINDOW = 60.0
PAUSES = (1.0, 2.0, 4.0)
SCHEMES = ("https://", "http://", "file://")
TIMEOUT = 30.0
_HINTS = {
    401: "the store wants credentials; check that the files are public",
    # A bucket that may not be listed answers so for a file that is not there, too.
    403: "check that this version was uploaded, and that the store's files are public",
    404: "check that this version was uploaded, and that the script names the right store",
}
CA_HINT = (
    "most likely a private CA signed it, which this host does not know: name the CA's certificate "
    "by SSL_CERT_FILE=FILE (through sudo with --preserve-env=SSL_CERT_FILE), or add it to the "
    "host's own by update-ca-certificates. Else look at the clock"
)

Report = Callable[[int, "int | None"], None]


@dataclass(frozen=True)
class Source:
    """A published file: where it is, and the SHA-256 (hex) that it must have.

    `size` is its length in bytes, where that was signed: nothing beyond it is read. `query` is
    what follows the URL where that carries a signature: a secret, so no message has it.
    """

    url: str
    sha256: str
    size: int | None = None
    query: str = field(default="", repr=False)


class _Passing(Exception):
    """A fault that may be gone at the next try, after the seconds that the store asked for."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


def download(source: Source, target: Path, report: Report) -> None:
    """Fetch `source` to `target`, going on with what an earlier run left there.

    `report` is told the bytes that are here and the bytes in all. Raises DownloadFailed
    (nothing of it condemns the release), HashMismatch or EndlessData, after which `target`
    is gone.
    """
    if not source.url.startswith(SCHEMES):
        raise UsageError(f"{source.url} is no http, https or file address")
    continued = target.exists()
    _fetch_with_pauses(source, target, report)
    if continued and sha256_of(target) != source.sha256:
        # What an earlier run left may be damaged, by a power cut for one; start afresh.
        target.unlink()
        _fetch_with_pauses(source, target, report)
    _check(source, target)


def _fetch_with_pauses(source: Source, target: Path, report: Report) -> None:
    for pause in (*PAUSES, None):
        try:
            _fetch(source, target, report)
            return
        except _Passing as fault:
            if pause is None:
                raise DownloadFailed(
                    f"{source.url} could not be fetched in {len(PAUSES) + 1} tries: {fault}",
                    hint="check this host's network and the store; the same command goes on "
                    "where this one stopped",
                    retry_after=fault.wait,
                ) from fault
            if fault.wait > PATIENCE:
                raise DownloadFailed(
                    f"{source.url} could not be fetched: {fault}, and asks to be left alone for "
                    f"{fault.wait:.0f} s",
                    hint="run the same command again then",
                    retry_after=fault.wait,
                ) from fault
            time.sleep(spread(pause, fault.wait))


def _fetch(source: Source, target: Path, report: Report) -> None:
    url = source.url
    here = target.stat().st_size if target.exists() else 0
    request = urllib.request.Request(url + source.query)  # noqa: S310 - `download` checked the scheme
    if here:
        request.add_header("Range", f"bytes={here}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            resumed = response.status == 206
            _copy(response, target, here if resumed else 0, report, source)
    except urllib.error.HTTPError as error:
        if source.query and error.code == 403:
            target.unlink(missing_ok=True)
            raise _ran_out(url, error) from error
        _http_error(url, target, error)
    except urllib.error.URLError as error:
        if isinstance(error.reason, FileNotFoundError):
            raise NotServed(f"{url} is not there", hint=_HINTS[404]) from error
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DownloadFailed(not_believed(url, error.reason), hint=CA_HINT) from error
        raise _Passing(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _Passing(repr(error)) from error


def not_believed(url: str, fault: ssl.SSLCertVerificationError) -> str:
    """Say whose certificate this host does not believe."""
    parts = urlsplit(url)
    return (
        f"this host does not believe the certificate of {parts.scheme}://{parts.hostname}: "
        f"{fault.verify_message}"
    )


def _ran_out(url: str, error: urllib.error.HTTPError) -> DownloadFailed:
    return DownloadFailed(
        f"{url}: the store answered {error.code} {error.reason}",
        hint="its signed address may have run out: get a new install script, and check the clock",
    )


def _http_error(url: str, target: Path, error: urllib.error.HTTPError) -> None:
    code = error.code
    if code == 416:
        # What is here is as long as the file, or longer; only its hash can tell which.
        return
    if code == 429 or code >= 500:
        wait = asked_to_wait(code, error.headers)
        raise _Passing(f"the store answered {code} {error.reason}", wait) from error
    target.unlink(missing_ok=True)
    raise NotServed(
        f"{url}: the store answered {code} {error.reason}",
        hint=_HINTS.get(code, "check the address of the store"),
    ) from error


class Pace:
    """Says of a download whether it got slower than SLOWEST."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0

    def too_slow(self, arrived: int) -> bool:
        """Note that `arrived` more bytes came."""
        self._bytes += arrived
        if time.monotonic() < self._since + WINDOW:
            return False
        slow = self._bytes < SLOWEST * WINDOW
        self._since, self._bytes = time.monotonic(), 0
        return slow


def _copy(
    response: http.client.HTTPResponse, target: Path, start: int, report: Report, source: Source
) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    here = start
    pace = Pace()
    with target.open("ab" if start else "wb") as file:
        # What is there is read at once, since a full CHUNK may never come.
        while chunk := read_some(response, CHUNK):
            here += len(chunk)
            if source.size is not None and here > source.size:
                target.unlink()
                raise _endless(source)
            file.write(chunk)
            report(here, total)
            if pace.too_slow(len(chunk)):
                raise _Passing(f"it came at less than {SLOWEST} bytes a second")
    if total is not None and here < total:
        raise _Passing(f"the connection ended after {here} of {total} bytes")


def _endless(source: Source) -> EndlessData:
    return EndlessData(
        f"{source.url} is longer than the {source.size} bytes that were signed",
        hint="nothing was installed; run it again, and if it stays so, do not trust this store",
    )


def _check(source: Source, target: Path) -> None:
    found = sha256_of(target)
    if found == source.sha256:
        return
    target.unlink()
    raise HashMismatch(
        f"{source.url} is not the file that was published: its SHA-256 is {found}, "
        f"expected {source.sha256}",
        hint="nothing was installed; run it again, and if it stays so, do not trust this store",
    )


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file in hex, reading a chunk at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
