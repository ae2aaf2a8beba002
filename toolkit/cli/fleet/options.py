"""What the commands of `toolkit fleet` share: which hosts, how they are reached, the exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from toolkit import remote
from toolkit.fleet.asking import Fleet, Report
from toolkit.inventory import Reading, read
from toolkit.remote import Reach
from toolkit.secret import Secret

Run = TypeVar("Run", bound=Callable[..., Any])

# 201 to 250: so many hosts failed. Clear of toolkit's own codes, of the shell's for signals (up
# to 192), and of ssh's 255.
FAILED, MOST = 200, 50
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def exit_code(failed: int) -> int:
    """Give the exit code that says how many hosts failed (docs/exit-codes.md)."""
    return FAILED + min(failed, MOST) if failed else 0


def count(reports: Iterable[Report]) -> int:
    """Say on how many hosts something failed."""
    return sum(report.failure is not None for report in reports)


WHICH = (
    click.option(
        "-i",
        "--inventory",
        multiple=True,
        metavar="INVENTORY",
        help="An Ansible inventory: a file, a folder, or names with commas; may be repeated.  "
        "[default: what ansible.cfg names]",
    ),
    click.option("--limit", metavar="PATTERN", help="Only these hosts or groups, as in Ansible."),
)
_PACE = (
    click.option(
        "--parallel",
        type=click.IntRange(1, 500),
        default=remote.PARALLEL,
        show_default=True,
        help="How many hosts at a time.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(1, 86_400),
        default=remote.TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long one host may take, connecting included.",
    ),
)
REACHED = (
    click.option(
        "--known-hosts",
        type=_FILE,
        metavar="FILE",
        help="The only file with keys of hosts to believe.  [default: as ssh does]",
    ),
    click.option(
        "--ssh-config",
        type=_FILE,
        metavar="FILE",
        help="A configuration file for ssh.  [default: ~/.ssh/config]",
    ),
    click.option(
        "--vault-password-file",
        "vaults",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help="The password of a vault in the inventory; may be repeated.",
    ),
    click.option(
        "-K",
        "--ask-become-password",
        "asks",
        is_flag=True,
        help="Ask for the password of sudo, for hosts for which the inventory has none.",
    ),
)
_OPTIONS = (*WHICH, *_PACE, *REACHED)


def sudo_password(*, asks: bool) -> Secret | None:
    """Ask for the password of sudo, where that is wanted."""
    password = click.prompt("password of sudo", hide_input=True, err=True) if asks else None
    return Secret(password) if password else None


def on_fleet(command: Run) -> Run:
    """Add the options that say which hosts, and hand them to the command as its first argument."""

    @functools.wraps(command)
    def with_fleet(
        *,
        inventory: tuple[str, ...],
        limit: str | None,
        parallel: int,
        timeout: float,
        known_hosts: Path | None,
        ssh_config: Path | None,
        vaults: tuple[Path, ...],
        asks: bool,
        **others: Any,
    ) -> Any:
        reading = Reading(vaults, sudo_password(asks=asks))
        hosts = read(inventory, limit, reading)
        reach = Reach(known_hosts, ssh_config, min(10.0, timeout), min(60.0, timeout))
        return command(Fleet(hosts, parallel, timeout, reach), **others)

    wrapped: Any = with_fleet
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


agent = click.argument("name", required=False)
