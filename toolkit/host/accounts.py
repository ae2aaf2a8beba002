"""The user that a service runs as."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from toolkit.host.errors import UsageError


@dataclass(frozen=True)
class Account:
    """A user of this host."""

    name: str
    uid: int
    gid: int
    home: str


def find_account(name: str) -> Account | None:
    """Give the user called `name`, or None."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def existing_account(name: str) -> Account:
    """Give the user called `name`; raises UsageError where there is none."""
    account = find_account(name)
    if account is None:
        raise UsageError(f"there is no user {name!r} on this host", hint="name one with --user")
    return account


def this_account() -> Account:
    """Give the user that agentctl runs as; raises UsageError where no name belongs to its id."""
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise UsageError(
            f"the user id {os.geteuid()} has no entry on this host",
            hint="run agentctl as a user that `getent passwd` knows",
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
