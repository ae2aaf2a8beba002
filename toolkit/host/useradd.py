"""Users of their own for services, made and removed."""

from __future__ import annotations

from pathlib import Path

from toolkit.host.accounts import Account, existing_account, find_account
from toolkit.host.commands import run


def create_account(name: str, home: Path) -> Account:
    """Create a system user that can't log in, with a group of its own."""
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", str(home)]
    run(["useradd", *options, "--shell", "/usr/sbin/nologin", name])
    return existing_account(name)


def remove_account(name: str) -> None:
    """Remove a user that `create_account` made."""
    if find_account(name) is not None:
        run(["userdel", name])
