"""The words of agentctl's command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import __version__

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]

EXAMPLES = """examples:
  sudo /opt/glances/agentctl status
  sudo /opt/glances/agentctl status --json
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
    _add_status(verbs).set_defaults(run=runs["status"])
    _add_uninstall(verbs).set_defaults(run=runs["uninstall"])
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
    verb.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return verb


def _add_status(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser("status", help="say what runs; exits with 3 where it is not healthy")
    _add_home(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")
    return verb


def _add_uninstall(verbs: Verbs) -> argparse.ArgumentParser:
    verb = verbs.add_parser("uninstall", help="stop the service and remove all that it wrote")
    _add_home(verb)
    verb.add_argument("--keep-data", action="store_true", help="keep .env, logs and workspace")
    return verb


def _add_inner(verbs: Verbs) -> dict[str, argparse.ArgumentParser]:
    """Add what process managers call; people have no use for it, so help leaves it out."""
    inner = {name: verbs.add_parser(name) for name in ("supervise", "exec")}
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
