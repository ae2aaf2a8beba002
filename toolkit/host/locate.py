"""Finds the tarball that a call asks for: pinned in the call, or named by signed metadata."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from toolkit import __version__
from toolkit.host.choice import Host, Offer, Wanted
from toolkit.host.delta import DeltaUnusable, parse_base
from toolkit.host.errors import Unsupported, UsageError
from toolkit.host.fetch import Source
from toolkit.host.forms import Form
from toolkit.host.layout import Layout, machine_id, this_platform
from toolkit.host.stage import tarball_url
from toolkit.host.tarwriter import Digest

ROOT_LIMIT = 512_000
_ADDRESS = re.compile(r"(?P<file>[!-~]+) (?P<url>https?://[!-~]+)")


@dataclass(frozen=True)
class Located:
    """A version for this host's platform, and where its tarball is, in `forms` too.

    `taken_out` says that the version which runs now was taken back by those who publish.
    """

    version: str
    platform: str
    source: Source
    forms: tuple[Form, ...] = ()
    taken_out: bool = False


def pinned(
    tarballs: Sequence[Sequence[str]],
    store: str,
    version: str,
    addresses: Mapping[str, str] = MappingProxyType({}),
) -> Located:
    """Take the tarball for this machine, or the one that fits every machine.

    Each of `tarballs` is a platform, a file name and a SHA-256; `addresses` are signed URLs by
    file name. Raises Unsupported.
    """
    here = this_platform()
    for platform, file, sha256 in tarballs:
        if platform in (here, "any"):
            # What follows the `?` lets anybody in, so it stands where nothing is printed from.
            url, mark, signature = addresses.get(file, tarball_url(store, file)).partition("?")
            return Located(version, here, Source(url, sha256, query=mark + signature))
    known = ", ".join(platform for platform, _, _ in tarballs)
    raise Unsupported(
        f"this version was released for {known}, and this machine is {here}",
        hint="use a machine of such a platform, or release the agent for this one",
    )


def parse_addresses(data: bytes) -> dict[str, str]:
    """Read `FILE URL` records, each ended by a NUL; raises UsageError for another form."""
    addresses = {}
    for part in data.decode("latin-1").split("\0"):
        match = _ADDRESS.fullmatch(part)
        if match:
            addresses[match["file"]] = match["url"]
        elif part:
            raise UsageError("an address on standard input is not of the form FILE URL")
    return addresses


def trusted(
    home: Path, store: str, root: Path, wanted: Wanted, clock: Callable[[], datetime]
) -> Located:
    """Take what the store's metadata names, where the root in the file `root` leads to it.

    Raises UsageError, a TrustFault or DownloadFailed; the folder `home` must be locked.
    """
    # Only here: what supervises a service must stay small, and start fast.
    from toolkit.host.trust import Trust  # noqa: PLC0415

    here = this_platform()
    host = Host(
        platform=here,
        machine_id=machine_id(),
        running=Layout(home).running_version(),
        agentctl=__version__,
        now=clock(),
    )
    trust = Trust(home, store, _read(root), clock)
    offer = trust.pick(wanted, host)
    forms = tuple(_forms(store, offer.others))
    gone = trust.taken_out(wanted, host)
    return Located(offer.target.version, here, _source(store, offer), forms, gone)


def copied_trust(home: Path, folder: Path) -> Path:
    """Give `folder` what `trusted` looks at in `home`, so that it changes nothing there."""
    before, after = Layout(home), Layout(folder)
    if before.trust.is_dir():
        shutil.copytree(before.trust, after.trust, symlinks=True)
    if before.current.is_symlink():
        after.current.symlink_to(before.current.readlink())
    return folder


def _forms(store: str, offers: Sequence[Offer]) -> Iterator[Form]:
    for offer in offers:
        tar, base = offer.target.tar, offer.target.source
        if tar is None:
            continue
        try:
            start = parse_base(base or {}) if offer.target.kind == "delta" else None
        except DeltaUnusable:
            continue  # a newer toolkit may say it otherwise; the whole release is there
        yield Form(_source(store, offer), Digest(tar.size, tar.sha256), start)


def _source(store: str, offer: Offer) -> Source:
    return Source(tarball_url(store, offer.file), offer.sha256, offer.size)


def _read(root: Path) -> bytes:
    try:
        with root.open("rb") as file:
            return file.read(ROOT_LIMIT)
    except OSError as error:
        raise UsageError(
            f"{root} can't be read: {error.strerror}", hint="name the root metadata by --root"
        ) from error
