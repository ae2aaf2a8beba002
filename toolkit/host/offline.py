"""Installs from a bundle: every request for the store is answered from the file, none goes out.

So whatever fetches and verifies does the same as with a network, and what is remembered of the
store is its real address.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import IO, cast
from urllib.response import addinfourl

from toolkit.host.bundled import CONTENTS, Contents, parse_contents
from toolkit.host.errors import BadRelease, HashMismatch, Unsupported, UsageError
from toolkit.host.fetch import CHUNK
from toolkit.host.layout import this_platform
from toolkit.host.stage import tarball_url

LIMIT = 1_000_000
_AGAIN = "copy the bundle again, and compare its SHA-256 with that of the file that was made"
Members = Mapping[str, tarfile.TarInfo]


@contextmanager
def answering(file: Path | None, store: str, name: str) -> Iterator[Contents | None]:
    """Answer requests for `store` from the bundle `file` while the block runs; None for None.

    Raises UsageError where the file can't be read or is for another agent than `name`,
    Unsupported where it is for other machines, HashMismatch where it is damaged.
    """
    if file is None:
        yield None
        return
    with _opened(file) as tar:
        members = _members(tar, file)
        contents = _contents(tar, members, file)
        _check_fits(contents, file, name)
        _check_whole(tar, members, contents, file)
        _install(_Answers(tar, members, tarball_url(store, "")))
        try:
            yield contents
        finally:
            urllib.request.install_opener(urllib.request.build_opener())


def renewal(file: Path, contents: Contents | None) -> str:
    """Say how to get a bundle whose metadata is good."""
    what = f"{contents.name} {contents.version}" if contents else "NAME VERSION"
    return (
        f"{file} is too old: make a new one where the store is reached, by `toolkit bundle "
        f"{what}`. If it is new, this host's clock may be wrong"
    )


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        tar = tarfile.open(file, "r:")  # noqa: SIM115 - closed below, and faults of the block are its own
    except OSError as error:
        raise UsageError(
            f"{file} can't be read: {error.strerror or error}", hint="name the bundle's file"
        ) from error
    except (tarfile.TarError, ValueError) as error:
        raise _damaged(file, f"it does not begin as a bundle ({error})") from error
    with tar:
        yield tar


def _members(tar: tarfile.TarFile, file: Path) -> Members:
    """Give the files of the tar by name, as far as it can be read."""
    members = {}
    try:
        for info in tar:
            if info.type == tarfile.REGTYPE and info.name not in members:
                members[info.name] = info
    except (tarfile.TarError, ValueError, OSError) as error:
        raise _damaged(file, str(error)) from error
    return members


def _contents(tar: tarfile.TarFile, members: Members, file: Path) -> Contents:
    info = members.get(CONTENTS)
    if info is None:
        raise BadRelease(
            f"{file} is no bundle: it has no {CONTENTS}", hint="make one by `toolkit bundle`"
        )
    if info.size > LIMIT:
        raise BadRelease(f"{file}: its {CONTENTS} is too long", hint=_AGAIN)
    with _file(tar, info) as member:
        return parse_contents(member.read(LIMIT))


def _check_fits(contents: Contents, file: Path, name: str) -> None:
    if contents.name != name:
        raise UsageError(
            f"{file} is a bundle of {contents.name}, not of {name}",
            hint=f"name a bundle of {name}, or use the install script of {contents.name}",
        )
    here = this_platform()
    if not {here, "any"} & set(contents.platforms):
        raise Unsupported(
            f"{file} is for {', '.join(contents.platforms)}, and this machine is {here}",
            hint=f"make one: toolkit bundle {name} {contents.version} --platform {here}",
        )


def _check_whole(tar: tarfile.TarFile, members: Members, contents: Contents, file: Path) -> None:
    """Find what was damaged on the way here."""
    for expected in contents.files:
        info = members.get(expected.path)
        if info is None or info.size != expected.size:
            raise _damaged(file, f"{expected.path} is not in it, or not whole")
        if _sha256(tar, info, file) != expected.sha256:
            raise _damaged(file, f"{expected.path} was changed")
    known = {CONTENTS, *(expected.path for expected in contents.files)}
    for path in members:
        if path not in known:
            raise _damaged(file, f"{path} does not belong into it")


def _sha256(tar: tarfile.TarFile, info: tarfile.TarInfo, file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with _file(tar, info) as member:
            while chunk := member.read(CHUNK):
                digest.update(chunk)
    except (tarfile.TarError, OSError) as error:
        raise _damaged(file, f"it ends in {info.name} ({error})") from error
    return digest.hexdigest()


def _file(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", tar.extractfile(info))


def _damaged(file: Path, why: str) -> HashMismatch:
    return HashMismatch(f"{file} is damaged, or was cut off: {why}", hint=_AGAIN)


def _install(answers: _Answers) -> None:
    # No proxy either: one would be asked before `answers` is.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), answers)
    urllib.request.install_opener(opener)


class _Answers(urllib.request.BaseHandler):
    """Answers for the store at `base`, and says of all else that it is not there."""

    handler_order = 100  # before those that would use a network

    def __init__(self, tar: tarfile.TarFile, members: Members, base: str) -> None:
        self._tar = tar
        self._members = members
        self._base = base.rstrip("/") + "/"

    def _answer(self, request: urllib.request.Request) -> addinfourl:
        url = request.full_url.partition("?")[0]
        info = None
        if url.startswith(self._base):
            info = self._members.get(urllib.parse.unquote(url.removeprefix(self._base)))
        headers = Message()
        if info is None:
            raise urllib.error.HTTPError(url, 404, "Not in the bundle", headers, io.BytesIO())
        headers["Content-Length"] = str(info.size)
        answer = addinfourl(_file(self._tar, info), headers, url, 200)
        answer.msg = "OK"  # type: ignore[attr-defined]  # HTTPErrorProcessor looks at it
        return answer

    http_open = https_open = file_open = _answer
