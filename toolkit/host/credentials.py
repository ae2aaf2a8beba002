"""Secrets as systemd hands them over: a file each in HOME/credentials, loaded by LoadCredential=.

The service finds them below $CREDENTIALS_DIRECTORY, where no other user and no child that runs as
another may look (systemd.exec(5), "Credentials"). They are named and worded as in .env.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping

from toolkit.host.envfile import merge_env, parse_env, without
from toolkit.host.files import differs, make_folder, remove_tree, write_atomic
from toolkit.host.manager import Installation

ENV, CREDENTIALS = "env", "credentials"
LOADERS = ("systemd", "systemd-user")


def whole(installation: Installation, text: str) -> str:
    """Give the text of .env with the secrets in it that only credentials hold."""
    folder, present = installation.layout.credentials, parse_env(text)
    stored = {}
    for name in installation.release.service.secret:
        path = folder / name
        if name not in present and path.is_file():
            stored[name] = path.read_text("utf-8")
    return merge_env(text, {name: value for name, value in stored.items() if value})


def public(installation: Installation, text: str) -> str:
    """Give what .env may hold of `text`: no secret, where the release wants none in it."""
    service = installation.release.service
    return without(text, service.secret) if service.credentials == CREDENTIALS else text


def differ(installation: Installation, manager: str, text: str) -> bool:
    """Say whether the files are others than those that `text`, of the form of .env, asks for."""
    folder = installation.layout.credentials
    if manager not in LOADERS:
        return folder.is_dir()
    wanted = _wanted(installation, text)
    return any(
        differs(folder / name, value) or stat.S_IMODE((folder / name).stat().st_mode) != 0o600
        for name, value in wanted.items()
    )


def write(installation: Installation, manager: str, text: str) -> None:
    """Write the files that `text` asks for, for root or the folder's owner alone.

    Those that another version asked for stay: its unit, should it come back, starts with nothing
    less.
    """
    folder = installation.layout.credentials
    if manager not in LOADERS:
        remove_tree(folder)
        return
    wanted = _wanted(installation, text)
    if wanted:
        make_folder(folder, 0o700)
    for name, value in wanted.items():
        write_atomic(folder / name, value, 0o600)


def _wanted(installation: Installation, text: str) -> Mapping[str, bytes]:
    """Give each secret's value, empty for none: a unit does not start without a file it loads."""
    service = installation.release.service
    if service.credentials == ENV:
        return {}
    values = parse_env(text)
    return {name: values.get(name, "").encode() for name in service.secret}
