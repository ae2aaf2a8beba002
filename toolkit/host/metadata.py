"""Fetches a store's metadata, bounded in bytes and in time."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timezone
from email.message import Message
from email.utils import parsedate_to_datetime

from toolkit.host._vendor.tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    SlowRetrievalError,
)
from toolkit.host._vendor.tuf.ngclient import FetcherInterface
from toolkit.host.fetch import CHUNK, SCHEMES, TIMEOUT, not_believed
from toolkit.host.meter import read_some
from toolkit.host.retry import PATIENCE, asked_to_wait, spread

PAUSES = (1.0, 2.0, 4.0)
# All metadata together must be here by then: a store can't hold a host for longer.
SECONDS = 300.0


class Passing(DownloadError):
    """A fault that may be gone at the next try, after the seconds that the store asked for."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class NotBelieved(DownloadError):
    """The store's certificate is none that this host believes."""


class MetadataFetcher(FetcherInterface):
    """Reads files of one store, in at most SECONDS; what passes by itself is tried again."""

    def __init__(self) -> None:
        self.store_time: datetime | None = None
        self._deadline = time.monotonic() + SECONDS

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Give the bytes at `url`.

        Raises a DownloadError: DownloadHTTPError with the status, DownloadLengthMismatchError
        where there are more than `max_length`, SlowRetrievalError when the time is over.
        """
        for pause in PAUSES:
            try:
                return bytes(super().download_bytes(url, max_length))
            except Passing as fault:
                if fault.wait > PATIENCE:
                    raise
                self._in_time(url, pause)
                time.sleep(spread(pause, fault.wait))
        return bytes(super().download_bytes(url, max_length))

    def _in_time(self, url: str, pause: float = 0.0) -> None:
        if time.monotonic() + pause > self._deadline:
            raise SlowRetrievalError(f"{url}: the metadata did not arrive within {SECONDS:g} s")

    def _fetch(self, url: str) -> Iterator[bytes]:
        if not url.startswith(SCHEMES):
            raise DownloadError(f"{url} is no http, https or file address")
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310
                self._note_time(response.headers)
                yield from self._chunks(url, response)
        except urllib.error.HTTPError as error:
            self._note_time(error.headers)
            if error.code == 429 or error.code >= 500:
                wait = asked_to_wait(error.code, error.headers)
                text = f"{url}: the store answered {error.code} {error.reason}"
                raise Passing(text, wait) from error
            raise DownloadHTTPError(
                f"{url}: the store answered {error.code} {error.reason}", error.code
            ) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, FileNotFoundError):
                raise DownloadHTTPError(f"{url} is not there", 404) from error
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise NotBelieved(not_believed(url, error.reason)) from error
            raise Passing(f"{url}: {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Passing(f"{url}: {error!r}") from error

    def _chunks(self, url: str, response: http.client.HTTPResponse) -> Iterator[bytes]:
        length = response.headers.get("Content-Length")
        here = 0
        while chunk := read_some(response, CHUNK):
            here += len(chunk)
            self._in_time(url)
            yield chunk
        if length is not None and here < int(length):
            raise Passing(f"{url}: the connection ended after {here} of {length} bytes")

    def _note_time(self, headers: Message) -> None:
        try:
            self.store_time = parsedate_to_datetime(headers["Date"]).astimezone(timezone.utc)
        except (TypeError, ValueError):  # a folder of this host has no clock of its own
            return
