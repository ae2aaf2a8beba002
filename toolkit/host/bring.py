"""Brings a release's files into its folder: by a delta, by a .tar.zst, else by the .tar.gz.

The first two save time and bytes, no more: whatever goes wrong with them is said, and the whole
release is fetched as on any other host.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.host.decompress import can_zstd
from toolkit.host.delta import Base, Delta, apply, check_room, check_usable
from toolkit.host.errors import (
    AgentctlError,
    BadRelease,
    EndlessData,
    HashMismatch,
    NotServed,
)
from toolkit.host.fetch import Source, download
from toolkit.host.files import make_folder, remove_tree
from toolkit.host.forms import Form, smallest
from toolkit.host.layout import MARKER, Layout
from toolkit.host.request import Request, Say
from toolkit.host.tarwriter import Digest
from toolkit.host.unpack import unpack

FULL = (errno.ENOSPC, errno.EDQUOT)
# What is wrong with one file; a fault of the network is none of these.
_FAULTS = (BadRelease, EndlessData, HashMismatch, NotServed)


class _Unusable(AgentctlError):
    """This file does not serve here; another one may."""


def bring(request: Request, layout: Layout, say: Say) -> None:
    """Unpack the release that `request` wants into its folder, which must not be there yet.

    Raises what `download` and `unpack` do for the .tar.gz, and OSError.
    """
    _Work(request, layout, say).bring()


@dataclass(frozen=True)
class _Work:
    request: Request
    layout: Layout
    say: Say

    def bring(self) -> None:
        installed = {path.parent.name for path in self.layout.releases.glob(f"*/{MARKER}")}
        delta, zstd = smallest(self.request.forms, self.request.source, installed)
        if delta and delta.base and self._tried(delta, self._name(delta.base)):
            return
        if zstd and can_zstd() and self._tried(zstd, "the .tar.zst"):
            return
        source = self.request.source
        self._unpack(self._fetch(source, self._incoming(source.sha256, "tar.gz")), None)

    def _name(self, base: Base) -> str:
        return f"the delta from {base.version}"

    def _tried(self, form: Form, name: str) -> bool:
        try:
            if form.base:
                self._by_delta(form, form.base)
            else:
                self._by_zstd(form)
        except _Unusable as error:
            remove_tree(self.layout.release(self.request.version))
            self.say.step(f"{name} can't be used, the whole release is fetched: {error.message}")
            return False
        return True

    def _by_zstd(self, form: Form) -> None:
        file = self._incoming(form.source.sha256, "tar.zst")
        with _unusable(_FAULTS, file):
            self._fetch(form.source, file)
            self._unpack(file, form.tar)

    def _by_delta(self, form: Form, base: Base) -> None:
        source = form.source
        file = self._incoming(source.sha256, "delta")
        tar = self._incoming(form.tar.sha256, "tar")
        delta = Delta(base, form.tar, Digest(source.size or 0, source.sha256))
        with _unusable((AgentctlError,)):
            check_usable(delta)
            check_room(delta, self.layout.home)
            # What arrived stays where the network failed: the next run goes on from there.
            self._fetch(source, file)
        # Two tars take room that the whole release does not: here a full disk is a reason too.
        with _unusable((AgentctlError, OSError), file, tar):
            self.say.step(
                f"make {self.request.version} of the installed {base.version} and the delta"
            )
            apply(delta, file, self.layout.release(base.version), tar)
            file.unlink()
            self._unpack(tar, None)
            tar.unlink()

    def _unpack(self, tarball: Path, tar: Digest | None) -> None:
        folder = self.layout.release(self.request.version)
        self.say.step(f"unpack {folder}")
        unpack(tarball, folder, tar)

    def _fetch(self, source: Source, file: Path) -> Path:
        self.say.step(f"fetch {source.url}")
        make_folder(self.layout.incoming, 0o700)
        wanted = {self.request.source.sha256, *(f.source.sha256 for f in self.request.forms)}
        for other in self.layout.incoming.iterdir():
            if other.name.split(".")[0] not in wanted:
                other.unlink()
        download(source, file, self.say.bytes)
        return file

    def _incoming(self, sha256: str, suffix: str) -> Path:
        return self.layout.incoming / f"{sha256}.{suffix}"


@contextmanager
def _unusable(faults: tuple[type[Exception], ...], *files: Path) -> Iterator[None]:
    """Turn `faults`, and what the system refuses but for a full disk, into _Unusable.

    `files` are removed then: they may be why the disk is full.
    """
    try:
        yield
    except (AgentctlError, OSError) as error:
        refused = isinstance(error, OSError) and error.errno not in FULL
        if not refused and not isinstance(error, faults):
            raise
        for file in files:
            file.unlink(missing_ok=True)
        raise _Unusable((str(error) or repr(error)).splitlines()[0]) from error
