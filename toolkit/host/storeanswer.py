"""Asks the store once, briefly, and tells apart why it does not answer."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlsplit

from toolkit import __version__
from toolkit.host.layout import Layout
from toolkit.host.stage import tarball_url

SECONDS = 5.0
# A store that sends a byte now and then is no reason to wait for longer.
MOST = 2 * SECONDS
LIMIT = 65_536
Found = TypeVar("Found")


@dataclass(frozen=True)
class Answer:
    """What came back: an HTTP `status`, or the `fault` that there was instead.

    `at` is the store's clock; where its certificate was refused it was asked all the same, to
    find out whether a clock is why, so that it proves nothing.
    """

    url: str
    status: int | None = None
    at: datetime | None = None
    body: bytes = b""
    fault: BaseException | None = None


def asked_for(layout: Layout, store: str) -> str:
    """Give the address of a file that a store of this service must have."""
    if layout.trust.is_dir():
        return tarball_url(store, "metadata/timestamp.json")
    sha256 = hashlib.sha256(layout.agentctl.read_bytes()).hexdigest()
    return tarball_url(store, f"agentctl-{__version__}-{sha256[:12]}.pyz")


def ask(url: str) -> Answer:
    """Fetch the beginning of a file; never raises, and takes no longer than MOST seconds."""
    try:
        return within(MOST, lambda: _ask(url))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answer(url, fault=error)


def _ask(url: str) -> Answer:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as response:  # noqa: S310
            return Answer(url, 200, _clock(response.headers), response.read(LIMIT))
    except urllib.error.HTTPError as error:
        return Answer(url, error.code, _clock(error.headers))
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, BaseException) else error
        at = _unproven_clock(url) if isinstance(reason, ssl.SSLCertVerificationError) else None
        return Answer(url, at=at, fault=reason)


def _unproven_clock(url: str) -> datetime | None:
    """Ask for the time alone, whoever answers; an opener of its own sends no credentials."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            return _clock(answer.headers)
    except urllib.error.HTTPError as error:
        return _clock(error.headers)
    except (OSError, http.client.HTTPException):
        return None


def _clock(headers: Message) -> datetime | None:
    """Give the time of an answer, which may have waited in a cache (RFC 9111, Age)."""
    try:
        sent = parsedate_to_datetime(headers["Date"]).astimezone(timezone.utc)
        return sent + timedelta(seconds=int(headers["Age"] or 0))
    except (TypeError, ValueError, OverflowError):
        return None


def within(seconds: float, call: Callable[[], Found]) -> Found:
    """Give what `call` gives, or raise what it raises; TimeoutError when it takes longer.

    Looking up a name has no time limit of its own, so it is left behind in its thread.
    """
    found: list[Found] = []
    faults: list[Exception] = []

    def work() -> None:
        try:
            found.append(call())
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            faults.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if faults:
        raise faults[0]
    if not found:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return found[0]


def proxy_for(store: str) -> str | None:
    """Give the proxy that requests to the store go through, by the environment."""
    parts = urlsplit(store)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme)
