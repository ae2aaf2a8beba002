"""What a caller gives on standard input: secrets, which no argument list may hold."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.host.envfile import parse_settings
from toolkit.host.locate import parse_addresses


@contextmanager
def given(arguments: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Read header, signed addresses and settings: secrets, which no argument list may hold.

    Gives the settings. While the block runs, the header also stands in a file of the caller's
    alone, which is all that a check leaves of it.
    """
    header, addresses = b"", b""
    wanted = (arguments.store_header_stdin, arguments.addresses_stdin, arguments.settings_stdin)
    data = sys.stdin.buffer.read() if any(wanted) else b""
    if arguments.store_header_stdin:
        header, _, data = data.partition(b"\0")
    if arguments.addresses_stdin:
        addresses, _, data = data.partition(b"\0\0")
    arguments.header, arguments.addresses = header, parse_addresses(addresses)
    settings = parse_settings(data) if arguments.settings_stdin else {}
    if not header:
        yield settings
        return
    with tempfile.NamedTemporaryFile(prefix="agentctl-") as file:
        file.write(header)
        file.flush()
        arguments.store_header_file = Path(file.name)
        yield settings
