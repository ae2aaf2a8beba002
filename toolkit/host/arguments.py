"""The words of agentctl's command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import __version__
from toolkit.host.arguments_follow import add_max_rate, add_pull

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]

# An upgrade holds the service's lock for its whole window.
LONGEST = 86_400
EXAMPLES = """examples:
  sudo /opt/glances/agentctl status
  sudo /opt/glances/agentctl status --json
  sudo /opt/glances/agentctl upgrade --check
  sudo /opt/glances/agentctl upgrade --to 4.5.8
  sudo /opt/glances/agentctl rollback
  sudo /opt/glances/agentctl history
  sudo /opt/glances/agentctl follow stable --every 15m
  sudo /opt/glances/agentctl follow stable --window 'Mon..Fri 22:00-04:00'
  sudo /opt/glances/agentctl pin
  sudo /opt/glances/agentctl pause --for 2h
  sudo /opt/glances/agentctl restart
  sudo /opt/glances/agentctl logs -f
  sudo /opt/glances/agentctl doctor
  sudo /opt/glances/agentctl support-bundle
  sudo /opt/glances/agentctl uninstall --keep-data
"""


def build_parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """Give the parser; `runs` is what each verb does with its arguments."""
    parser = argparse.ArgumentParser(
        prog="agentctl",
        description="Installs, watches and removes one agent on this host.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"agentctl {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_install(verbs).set_defaults(run=runs["install"])
    _add_upgrade(verbs).set_defaults(run=runs["upgrade"])
    _add_rollback(verbs).set_defaults(run=runs["rollback"])
    _add_configure(verbs).set_defaults(run=runs["configure"])
    _add_history(verbs).set_defaults(run=runs["history"])
    _add_status(verbs).set_defaults(run=runs["status"])
    _add_uninstall(verbs).set_defaults(run=runs["uninstall"])
    for name, verb in {**_add_for_people(verbs), **add_pull(verbs, _add_home)}.items():
        verb.set_defaults(run=runs[name])
    for name, verb in _add_inner(verbs).items():
        verb.set_defaults(run=runs[name])
    return parser


def _add_install(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser("install", help="install a version, start it and wait for its health")
    verb.add_argument("name", help="the agent's name")
    verb.add_argument("--service", help="the service's name (default: the agent's)")
    which = verb.add_mutually_exclusive_group(required=True)
    which.add_argument("--version", help="the version to install")
    which.add_argument("--channel", help="install what this channel has for this host")
    verb.add_argument("--store", required=True, help="where the tarballs are: a URL or a folder")
    verb.add_argument(
        "--store-header-file",
        type=Path,
        metavar="FILE",
        help="send the store the header in FILE, such as Authorization: Bearer TOKEN (mode 0600)",
    )
    verb.add_argument(
        "--store-header-over-http",
        action="store_true",
        help="send it over plain http to another machine too, where the network may read it",
    )
    _add_bundle(verb)
    trust = verb.add_mutually_exclusive_group(required=True)
    trust.add_argument(
        "--root", type=Path, help="believe the store's metadata that this root metadata leads to"
    )
    trust.add_argument(
        "--tarball",
        nargs=3,
        action="append",
        metavar=("PLATFORM", "FILE", "SHA256"),
        help="believe this hash of a tarball; may be repeated",
    )
    verb.add_argument(
        "--process-manager", default="systemd", help="systemd, systemd-user, pm2 or direct"
    )
    verb.add_argument(
        "--store-header-stdin",
        action="store_true",
        help="read that header from standard input, ended by a NUL, and keep it in the service's"
        " folder, for root alone",
    )
    verb.add_argument("--home", type=Path, help="where to install (default: /opt/SERVICE)")
    verb.add_argument("--user", help="who runs the service (default: who calls sudo)")
    verb.add_argument(
        "--settings-stdin",
        action="store_true",
        help="read NAME=VALUE settings, each ended by a NUL, from standard input",
    )
    verb.add_argument(
        "--addresses-stdin",
        action="store_true",
        help="read signed addresses, FILE URL, each ended by a NUL, from standard input; one more"
        " NUL ends them, and settings may follow",
    )
    _add_trying(verb)
    add_max_rate(verb)
    verb.add_argument("--check", action="store_true", help="say what would be done, and do nothing")
    return verb


def _add_upgrade(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        "upgrade",
        help="try another version; the one that runs comes back unless it holds",
        description="Fetches a version, starts it on trial and watches it. If it fails, does not "
        "become healthy, or nobody can say that it is, the version that runs now comes back.",
    )
    _add_home(verb)
    which = verb.add_mutually_exclusive_group()
    which.add_argument("--to", metavar="VERSION", help="the version to run")
    which.add_argument("--channel", help="what this channel has (default: as installed)")
    verb.add_argument("--store-header-file", type=Path, metavar="FILE", help="as with install")
    verb.add_argument(
        "--unattended",
        action="store_true",
        help="as the timer of `follow` does: do nothing that nobody would want without a person",
    )
    verb.add_argument("--store-header-over-http", action="store_true", help="as with install")
    _add_bundle(verb)
    verb.add_argument("--check", action="store_true", help="say what would be done, and do nothing")
    _add_trying(verb)
    add_max_rate(verb)
    return verb


def _add_bundle(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--bundle",
        type=Path,
        metavar="FILE",
        help="take all from this file, made by `toolkit bundle`, and nothing from the network",
    )


def _add_rollback(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser("rollback", help="go back to a version that is still on this host")
    _add_home(verb)
    verb.add_argument("--to", metavar="VERSION", help="which (default: the one before)")
    verb.add_argument("--check", action="store_true", help="say what would be done, and do nothing")
    _add_trying(verb)
    return verb


def _add_configure(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        "configure",
        help="change settings, such as secrets, and restart the service where they are others",
        description="Reads NAME=VALUE settings, each ended by a NUL, from standard input. The "
        "version stays, and nothing is fetched.",
    )
    _add_home(verb)
    verb.add_argument("--check", action="store_true", help="say what would be done, and do nothing")
    verb.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return verb


def _add_history(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser("history", help="say what happened to the service here, and why")
    _add_home(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")
    return verb


def _add_trying(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--watch",
        type=_window,
        metavar="SECONDS",
        help="how long a version on trial must be healthy (default: as the release says)",
    )
    verb.add_argument(
        "--keep",
        type=_number,
        default=3,
        metavar="N",
        help="keep N versions on the host (default: 3)",
    )
    verb.add_argument(
        "--again", action="store_true", help="also try a version that failed on this host before"
    )
    verb.add_argument("--json", action="store_true", help="print the outcome as JSON")


def _window(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:  # nor is that so of nan
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 to {LONGEST}")
    return seconds


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 up")
    return int(text)


def _add_status(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser("status", help="say what runs; exits with 3 where it is not healthy")
    _add_home(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")
    return verb


def _add_uninstall(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser("uninstall", help="stop the service and remove all that it wrote")
    _add_home(verb)
    verb.add_argument("--keep-data", action="store_true", help="keep .env, logs and workspace")
    verb.add_argument("--check", action="store_true", help="say what would be done, and do nothing")
    verb.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return verb


def _add_for_people(verbs: Verbs) -> dict[str, argparse.ArgumentParser]:
    """Add what the person on the host asks with."""
    logs = verbs.add_parser("logs", help="show what the service printed")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    logs.add_argument(
        "-n", "--lines", type=int, metavar="N", help="the last N lines (default: 100)"
    )
    logs.add_argument(
        "--since", metavar="T", help="from then on: 30s, 10m, 2h or 3d ago, or 2026-01-31T23:59"
    )
    doctor = verbs.add_parser(
        "doctor", help="look for what is wrong on this host; exits with 3 where something is"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.add_argument("--store", help="another address of the store than the one it came from")
    doctor.add_argument(
        "--store-header-file", type=Path, metavar="FILE", help="as for install: of a private store"
    )
    restart = verbs.add_parser(
        "restart", help="start the service anew and wait until it is healthy"
    )
    bundle = verbs.add_parser(
        "support-bundle", help="pack what helps to find a fault, with the secrets taken out"
    )
    bundle.add_argument("--output", type=Path, metavar="FILE", help="where to write the .tar.gz")
    people = {"logs": logs, "doctor": doctor, "restart": restart, "support-bundle": bundle}
    for verb in people.values():
        _add_home(verb)
    return people


def _add_inner(verbs: Verbs) -> dict[str, argparse.ArgumentParser]:
    """Add what process managers call; people have no use for it, so help leaves it out."""
    inner = {name: verbs.add_parser(name) for name in ("supervise", "exec", "settle")}
    for verb in inner.values():
        _add_home(verb)
    inner["exec"].add_argument("argv", nargs="+")
    return inner


def _add_home(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--home",
        type=Path,
        default=_own_folder(),
        help="the service's folder (default: the one that this agentctl stands in)",
    )


def _own_folder() -> Path:
    return Path(sys.argv[0]).resolve().parent
