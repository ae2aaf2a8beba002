"""The words of agentctl's command line for hosts that look after their version themselves."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.host.errors import UsageError

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]
    Parser = argparse.ArgumentParser


def add_pull(verbs: Verbs, add_home: Callable[[Parser], None]) -> dict[str, Parser]:
    """Add follow, unfollow, pin, unpin, pause and resume."""
    pull = {
        "follow": _add_follow(verbs),
        "unfollow": verbs.add_parser("unfollow", help="follow the channel no more"),
        "pin": verbs.add_parser("pin", help="let no other version run than this one"),
        "unpin": verbs.add_parser("unpin", help="let any version run again"),
        "pause": verbs.add_parser("pause", help="change no version by itself, until `resume`"),
        "resume": verbs.add_parser("resume", help="end a pause"),
    }
    pull["pin"].add_argument("version", nargs="?", help="(default: the one that runs)")
    how_long = pull["pause"].add_mutually_exclusive_group()
    how_long.add_argument("--until", metavar="TIME", help="end it then: 2026-01-31T06:00")
    how_long.add_argument(
        "--for", dest="length", metavar="LENGTH", help="end it after that: 30m, 2h, 3d"
    )
    for verb in pull.values():
        add_home(verb)
    return pull


def _add_follow(verbs: Verbs) -> Parser:
    verb = verbs.add_parser(
        "follow",
        help="have systemd bring each version of a channel by itself",
        description="Sets a timer up that looks for the channel's version again and again, and "
        "puts it on trial as `upgrade` does. Needs signed metadata.",
    )
    verb.add_argument("channel", metavar="CHANNEL", help="such as stable")
    verb.add_argument(
        "--every", default="15m", metavar="LENGTH", help="how often to look (default: 15m)"
    )
    verb.add_argument(
        "--delay",
        metavar="LENGTH",
        help="look at a moment of this host's own within that time (default: as --every, which "
        "spreads all hosts evenly)",
    )
    verb.add_argument(
        "--window",
        action="append",
        default=[],
        metavar="WINDOW",
        help="change versions only then, in local time: 'Mon..Fri 22:00-04:00'; may be repeated",
    )
    add_max_rate(verb)
    verb.add_argument(
        "--check", action="store_true", help="print the units, and write nothing of them"
    )
    return verb


def add_max_rate(verb: Parser) -> None:
    """Add --max-rate."""
    verb.add_argument(
        "--max-rate",
        type=_rate,
        metavar="RATE",
        help="fetch no more than that many bytes a second: 500k, 5M",
    )


def _rate(text: str) -> int:
    from toolkit.host.meter import parse_rate  # noqa: PLC0415 - what supervises must start fast

    try:
        return parse_rate(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{error.message}: {error.hint}") from error
