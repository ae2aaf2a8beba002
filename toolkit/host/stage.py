"""Brings one version onto the host, beside those that are there, and proves it whole."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from toolkit.host.bring import FULL, bring
from toolkit.host.errors import BadRelease, DiskFull, UsageError
from toolkit.host.files import remove_tree, sync_filesystem, write_atomic
from toolkit.host.known import read_release
from toolkit.host.layout import Layout
from toolkit.host.pythonenv import build_environment
from toolkit.host.release import Release
from toolkit.host.request import Request, Say
from toolkit.host.unpack import seal


def stage(request: Request, layout: Layout, say: Say) -> bool:
    """Make releases/<version> whole; gives False where it was.

    A version is known by the SHA-256 of its .tar.gz, in whatever form its bytes came.

    The marker is written last, after all else is on the disk. Whatever goes wrong before,
    the half version is taken away, so that it can't be used and takes no room.
    Raises UsageError where that version is there from other bytes.
    """
    staged = layout.staged_sha256(request.version)
    if staged == request.source.sha256 and not _damaged(layout, request.version):
        return False
    if staged == request.source.sha256:
        # First the marker: what is left of a removal that was cut off counts for nothing.
        layout.release(request.version).chmod(0o755)
        layout.marker(request.version).unlink()
    elif staged is not None:
        raise UsageError(
            f"{request.name} {request.version} is here already, from other bytes "
            f"({staged[:12]}, not {request.source.sha256[:12]})",
            hint="a version never changes: publish the change as a new version",
        )
    try:
        _stage(request, layout, say)
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(
                f"the disk is full ({layout.home}); what ran before runs on",
                hint="make room, then run the same command again",
            ) from error
        raise
    return True


def _damaged(layout: Layout, version: str) -> bool:
    """Say whether a version that does not run can't be used, and so is to be fetched anew."""
    if version == layout.running_version():
        return False
    try:
        read_release(layout.release(version))
    except BadRelease:
        return True
    return False


def _stage(request: Request, layout: Layout, say: Say) -> None:
    folder = layout.release(request.version)
    remove_tree(folder)
    try:
        bring(request, layout, say)
        _finish(folder, request, say)
        sync_filesystem(layout.home)
        _mark(layout, request)
    except BaseException:
        remove_tree(folder)
        raise
    remove_tree(layout.incoming)


def _finish(folder: Path, request: Request, say: Say) -> None:
    release = read_release(folder)
    _same(request, release)
    if release.runtime.kind == "python":
        say.step("make the virtual environment")
        build_environment(release, folder)
    seal(folder)


def _mark(layout: Layout, request: Request) -> None:
    marker = layout.marker(request.version)
    write_atomic(marker, f"{request.source.sha256}\n".encode(), 0o444)
    layout.release(request.version).chmod(0o555)


def _same(request: Request, release: Release) -> None:
    wanted = (request.name, request.version, request.service)
    found = (release.name, release.version, release.service.name)
    if wanted != found:
        raise UsageError(
            f"the tarball holds {' '.join(found)}, not {' '.join(wanted)}",
            hint="render the install script again from the release that is published",
        )


def tarball_url(store: str, file: str) -> str:
    """Give the address of `file` in `store`, an http(s) URL or a folder of this host."""
    if store.startswith("/"):
        return Path(store, file).as_uri()
    return f"{store.rstrip('/')}/{urllib.parse.quote(file)}"
