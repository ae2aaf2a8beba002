"""Remembers the CA of the store's own that somebody named, for the calls in which nobody does.

What curl, wget and Python call SSL_CERT_FILE. Its certificates are copied into the service's
folder, since the file that was named may go; they are public, and not to sign with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from toolkit.host.files import differs, write_if_changed
from toolkit.host.layout import Layout
from toolkit.host.steps import perform

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
# What the system itself believes: it changes, so that no copy of it is kept.
SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/cert.pem", "/etc/ssl/cert.pem")
# A list of all CAs of the world has 250 kB.
LONGEST = 1_000_000
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[\w+/=\s]+-----END CERTIFICATE-----")


def named(store: str, environ: Mapping[str, str]) -> bytes | None:
    """Give the certificates that the caller named for an https store; None where they did not.

    Empty where what is named is the system's own list: then nothing is to be remembered any more.
    """
    path = environ.get(FILE)
    if not path or not store.lower().startswith("https://"):
        return None
    if os.path.realpath(path) in {os.path.realpath(known) for known in SYSTEM}:
        return b""
    try:
        with Path(path).open("rb") as file:
            text = file.read(LONGEST)
    except OSError:
        return None  # whoever asks the store says so
    # Nothing else of the file: it is for everybody to read from here on.
    found = _CERTIFICATE.findall(text)
    return b"\n".join([*found, b""]) if found else None


def remember(layout: Layout, certificates: bytes | None) -> None:
    """Keep what was named, or forget it."""
    if certificates == b"":
        layout.ca.unlink(missing_ok=True)
    elif certificates is not None:
        perform("ca", lambda: write_if_changed(layout.ca, certificates, 0o644))


def forgets_or_learns(layout: Layout, certificates: bytes | None) -> bool:
    """Say whether `remember` would change anything."""
    if certificates == b"":
        return layout.ca.exists()
    return certificates is not None and differs(layout.ca, certificates)


@contextmanager
def believing(layout: Layout) -> Iterator[None]:
    """Have requests believe what is remembered, unless the caller named something.

    The system's own CAs are believed as well: OpenSSL reads its folder beside the file.
    """
    if os.environ.get(FILE) or os.environ.get(FOLDER) or not layout.ca.exists():
        yield
        return
    os.environ[FILE] = str(layout.ca)
    try:
        yield
    finally:
        os.environ.pop(FILE, None)
