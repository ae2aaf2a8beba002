"""Finds the tarball that a call asks for: pinned in the call, or named by signed metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toolkit import __version__
from toolkit.host.choice import Host, Wanted
from toolkit.host.errors import Unsupported, UsageError
from toolkit.host.fetch import Source
from toolkit.host.layout import Layout, machine_id, this_platform
from toolkit.host.stage import tarball_url

ROOT_LIMIT = 512_000


@dataclass(frozen=True)
class Located:
    """A version for this host's platform, and where its tarball is."""

    version: str
    platform: str
    source: Source


def pinned(tarballs: Sequence[Sequence[str]], store: str, version: str) -> Located:
    """Take the tarball for this machine, or the one that fits every machine.

    Each of `tarballs` is a platform, a file name and a SHA-256. Raises Unsupported.
    """
    here = this_platform()
    for platform, file, sha256 in tarballs:
        if platform in (here, "any"):
            return Located(version, here, Source(tarball_url(store, file), sha256))
    known = ", ".join(platform for platform, _, _ in tarballs)
    raise Unsupported(
        f"this version was released for {known}, and this machine is {here}",
        hint="use a machine of such a platform, or release the agent for this one",
    )


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
    offer = Trust(home, store, _read(root), clock).pick(wanted, host)
    source = Source(tarball_url(store, offer.file), offer.sha256, offer.size)
    return Located(offer.target.version, here, source)


def _read(root: Path) -> bytes:
    try:
        with root.open("rb") as file:
            return file.read(ROOT_LIMIT)
    except OSError as error:
        raise UsageError(
            f"{root} can't be read: {error.strerror}", hint="name the root metadata by --root"
        ) from error
