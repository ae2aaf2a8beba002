"""What all commands that sign metadata share: the store, the keys and the passphrases.

What signs is imported where it is used: its libraries take long to import, and `toolkit --help`
does not need them.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from toolkit.cli import options
from toolkit.errors import SigningError
from toolkit.stores import open_store, read_toolkit_file, select
from toolkit.trust_config import TrustConfig

if TYPE_CHECKING:
    from toolkit.keyring import Keyring
    from toolkit.repository import Publisher

store_option = click.option(
    "--to",
    "store",
    metavar="STORE",
    help="A store of toolkit.toml.  [default: its default_store, else the CDN_* variables]",
)
passphrase_option = click.option(
    "--passphrase-fd",
    type=click.IntRange(min=0),
    metavar="N",
    help="Read the passphrase of encrypted keys from this file descriptor, and do not ask.",
)
races_option = click.option(
    "--allow-races",
    is_flag=True,
    help="Publish to a store without conditional writes too: see `toolkit doctor`.",
)
threshold = click.option(
    "--threshold", type=click.IntRange(min=1), metavar="N", help="How many keys must sign."
)

propose = click.option(
    "--propose",
    "proposal",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Publish nothing: write it to FILE, which others sign by `toolkit keys sign`.",
)


@dataclass
class Passphrases:
    """Asks a person, or reads one line from a file descriptor that is for all keys."""

    descriptor: int | None
    _known: str | None = None
    _asked: dict[str, str] = field(default_factory=dict)

    def ask(self, name: str) -> str:
        """Give the passphrase of a key that there is."""
        if self.descriptor is not None:
            return self._read(self.descriptor)
        if not sys.stdin.isatty():
            return _nobody_to_ask(name)
        return self._asked.get(name) or getpass.getpass(f"passphrase of {name}: ")

    def new(self, role: str) -> str:
        """Give the passphrase of a key that is about to be made."""
        if self.descriptor is not None:
            return self._read(self.descriptor)
        if not sys.stdin.isatty():
            return _nobody_to_ask(f"of {role}")
        first = getpass.getpass(f"passphrase for the new key of {role}: ")
        if not first or first != getpass.getpass("once more: "):
            raise SigningError(
                f"the key of {role} was not made",
                why="the two passphrases differ, or are empty",
                hint="run it again, and type the same twice",
            )
        return first

    def _read(self, descriptor: int) -> str:
        if self._known is None:
            try:
                with os.fdopen(descriptor, encoding="utf-8", closefd=False) as file:
                    self._known = file.readline().rstrip("\n")
            except (OSError, ValueError) as error:
                raise SigningError(
                    f"no passphrase could be read from file descriptor {descriptor}",
                    why=str(error),
                    hint="such as: toolkit ... --passphrase-fd 3 3<passphrase.txt",
                ) from error
        if not self._known:
            raise SigningError(
                f"the passphrase on file descriptor {descriptor} is empty",
                why="a key that is kept offline is always encrypted",
                hint="write one line with the passphrase to it",
            )
        return self._known


def _nobody_to_ask(name: str) -> NoReturn:
    raise SigningError(
        f"the key {name} is encrypted",
        why="nobody can be asked for its passphrase here",
        hint="run it in a terminal, or give the passphrase by --passphrase-fd",
    )


def open_keyring(project: Path, passphrases: Passphrases) -> Keyring:
    """Open the keys of `project`, as its toolkit.toml names them."""
    from toolkit.keyring import Keyring

    file = read_toolkit_file(project)
    config = file.trust if file and file.trust else TrustConfig()
    return Keyring(config, project, passphrases.ask)


@dataclass(frozen=True)
class Desk:
    """What a command that reads or signs metadata has before it: the store, and the keys."""

    at: Publisher
    ring: Keyring
    passphrases: Passphrases


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command`, which takes a Desk, the options that name the store and the project."""

    @store_option
    @options.project
    @wraps(command)
    def run(*, store: str | None, project: Path, **rest: Any) -> None:
        command(_desk(store, project, Passphrases(None), allow_races=False), **rest)

    return run


def signing(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command`, which takes a Desk, the options that writing metadata needs too."""

    @store_option
    @passphrase_option
    @races_option
    @options.project
    @wraps(command)
    def run(
        *,
        store: str | None,
        passphrase_fd: int | None,
        allow_races: bool,
        project: Path,
        **rest: Any,
    ) -> None:
        passphrases = Passphrases(passphrase_fd)
        command(_desk(store, project, passphrases, allow_races=allow_races), **rest)

    return run


def _desk(
    wanted: str | None, project: Path, passphrases: Passphrases, *, allow_races: bool
) -> Desk:
    from toolkit.repository import Publisher

    ring = open_keyring(project, passphrases)
    store = open_store(select(wanted, project).config, project, allow_races=allow_races)
    return Desk(Publisher(store, ring, datetime.now(tz=UTC)), ring, passphrases)


def open_desk(store: str | None, project: Path) -> Desk:
    """Open a store and the keys to read its metadata with, for a command that signs nothing."""
    return _desk(store, project, Passphrases(None), allow_races=False)


def warn(notes: tuple[str, ...]) -> None:
    """Print notes for a person."""
    for note in notes:
        click.echo(f"note: {note}", err=True)
