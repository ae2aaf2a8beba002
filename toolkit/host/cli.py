"""The command line of agentctl: the one place that prints and exits."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from toolkit.host import cli_person
from toolkit.host.address import public
from toolkit.host.arguments import build_parser
from toolkit.host.bundled import Contents
from toolkit.host.choice import Wanted
from toolkit.host.cli_configure import run_configure
from toolkit.host.cli_follow import RUNS as PULL
from toolkit.host.cli_follow import Unless, nothing_done, run_follow, run_unattended
from toolkit.host.cli_upgrade import (
    as_install,
    run_history,
    run_rollback,
    run_settle,
    run_uninstall,
)
from toolkit.host.console import clock, now, speaking
from toolkit.host.direct import supervise
from toolkit.host.envfile import parse_env
from toolkit.host.errors import (
    AgentctlError,
    DiskFull,
    Expired,
    NotPermitted,
    RolledBack,
    UsageError,
)
from toolkit.host.given import given
from toolkit.host.holds import refuse_pinned
from toolkit.host.install import install, require_ours
from toolkit.host.layout import Layout
from toolkit.host.locate import Located, copied_trust, pinned, trusted
from toolkit.host.lock import locked
from toolkit.host.meter import metered
from toolkit.host.offline import answering, renewal
from toolkit.host.outcome import compared, failure, foreseen, standing
from toolkit.host.preview import preview
from toolkit.host.release import default_home
from toolkit.host.request import Request, Say, Trying
from toolkit.host.status import status
from toolkit.host.storeheader import sending

INTERRUPTED = 130
UNHEALTHY = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run agentctl; gives the exit code (docs/exit-codes.md)."""
    arguments = build_parser(RUNS).parse_args(argv)
    if arguments.run is not _exec:  # what it starts keeps what it was given
        os.umask(0o022)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not so under nohup
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        return int(arguments.run(arguments))
    except AgentctlError as error:
        return _fail(error, arguments)
    except OSError as error:
        return _fail(_of_system(error), arguments)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return INTERRUPTED


def _fail(error: AgentctlError, arguments: argparse.Namespace) -> int:
    if getattr(arguments, "json", False):
        # A state that can't be read is the fault itself, or would hide it.
        with suppress(AgentctlError, OSError):
            before, after = getattr(arguments, "before", None), standing(Layout(arguments.home))
            print(json.dumps({"error": failure(error), **compared(before, after)}))
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  do:  {error.hint}", file=sys.stderr)
    return error.exit_code


def _of_system(error: OSError) -> AgentctlError:
    """Say what the system refused, where no step knew better."""
    what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    again = "then run the same command again"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"the disk is full: {what}", hint=f"make room, {again}")
    if isinstance(error, PermissionError):
        return NotPermitted(what, hint="run the command with sudo")
    return AgentctlError(what, hint=f"mend that, {again}")


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


def _install(arguments: argparse.Namespace, unless: Unless = lambda _: None) -> int:
    """Install, unless a reason speaks against what was found."""
    service = arguments.service or arguments.name
    arguments.home = home = (arguments.home or Path(default_home(service))).absolute()
    say = speaking(quiet=arguments.json)
    layout = Layout(home)
    arguments.before = before = standing(layout)
    with given(arguments) as settings, _reached(arguments) as bundle:
        if arguments.check:
            # What is verified for it is kept elsewhere, and then forgotten.
            with tempfile.TemporaryDirectory() as folder:
                located = _locate(arguments, copied_trust(home, Path(folder)), say, bundle)
            return _check(arguments, home, settings, located, unless)
        with locked(layout), _left_as_found(layout):
            require_ours(layout)
            located = _locate(arguments, home, say, bundle)
            why = unless(located)
            if why is not None:
                return nothing_done(arguments, why)
            request = _request(arguments, home, located, settings)
            changed = install(request, say, now)
    if arguments.json:
        told = {"name": request.name, "version": request.version, "changed": list(changed)}
        print(json.dumps({**told, **compared(before, standing(layout))}))
    elif changed:
        print(f"[INFO] {request.service} {request.version} runs and is healthy")
    else:
        print(f"[INFO] {request.service} {request.version} was installed and healthy: no change")
    return 0


@contextmanager
def _reached(arguments: argparse.Namespace) -> Iterator[Contents | None]:
    """Let requests reach the store, by its header, or the bundle in its place; gives the bundle."""
    if getattr(arguments, "bundle", None) is not None:
        with answering(arguments.bundle, arguments.store, arguments.name) as bundle:
            try:
                yield bundle
            except (Expired, RolledBack) as error:
                error.hint = renewal(arguments.bundle, bundle)
                raise
        return
    over_http = arguments.store_header_over_http
    header = sending(arguments.store_header_file, arguments.store, over_http=over_http)
    with header, metered(arguments.max_rate):
        yield None


def _follow(arguments: argparse.Namespace) -> int:
    return run_follow(arguments, _look_up)


def _look_up(arguments: argparse.Namespace) -> Located:
    with _reached(arguments) as bundle:
        return _locate(arguments, arguments.home.absolute(), speaking(quiet=False), bundle)


def _upgrade(arguments: argparse.Namespace) -> int:
    if arguments.unattended:
        return run_unattended(arguments, _install)
    return _install(as_install(arguments))


def _check(
    arguments: argparse.Namespace,
    home: Path,
    settings: dict[str, str],
    located: Located,
    unless: Unless,
) -> int:
    """Print what would be done."""
    why = unless(located)
    if why is not None:
        return nothing_done(arguments, why)
    refuse_pinned(Layout(home), located.version)
    layout = Layout(home)
    request = _request(arguments, home, located, settings)
    found = preview(request, layout)
    if arguments.json:
        before = standing(layout)
        told = {"name": request.name, **asdict(found)}
        print(json.dumps({**told, **compared(before, foreseen(request, before, layout))}))
        return 0
    runs = f"{found.before} runs" if found.before else "nothing is installed"
    print(f"{home}: {runs}, {found.version} would; these steps would be done:")
    for number, step in enumerate(found.steps, 1):
        print(f"  {number}. {step}")
    return 0


@contextmanager
def _left_as_found(layout: Layout) -> Iterator[None]:
    """Where nothing was begun, leave no folder with nothing but a lock behind."""
    try:
        yield
    except AgentctlError:
        if list(layout.home.iterdir()) == [layout.lock]:
            layout.lock.unlink()
            layout.home.rmdir()
        raise


def _locate(
    arguments: argparse.Namespace, home: Path, say: Say, bundle: Contents | None
) -> Located:
    located = _located(arguments, home, say)
    if bundle is None:
        return located
    if located.version != bundle.version:
        raise UsageError(
            f"{arguments.bundle} holds {bundle.version}, and {located.version} is what would be "
            "installed here",
            hint=f"make one: toolkit bundle {bundle.name} {located.version}; or say that it is to "
            f"be {bundle.version}",
        )
    # Deltas and other forms save bytes on the network; a bundle has the whole release.
    return replace(located, forms=())


def _located(arguments: argparse.Namespace, home: Path, say: Say) -> Located:
    if arguments.root is None:
        if arguments.version is None:
            raise UsageError(
                "a channel says nothing without signed metadata", hint="name it by --root"
            )
        return pinned(arguments.tarball, arguments.store, arguments.version, arguments.addresses)
    say.step(f"check the metadata of {arguments.bundle or arguments.store}")
    wanted = Wanted(arguments.name, arguments.version, arguments.channel)
    return trusted(home, arguments.store, arguments.root, wanted, clock)


def _request(
    arguments: argparse.Namespace, home: Path, located: Located, settings: dict[str, str]
) -> Request:
    header = arguments.store_header_file
    if arguments.header:
        header = Layout(home).store_header
    return Request(
        name=arguments.name,
        service=arguments.service or arguments.name,
        version=located.version,
        platform=located.platform,
        source=located.source,
        manager=arguments.process_manager,
        home=home,
        user=arguments.user or os.environ.get("SUDO_USER") or os.environ.get("USER", "root"),
        engine=Path(sys.argv[0]).read_bytes(),
        settings=settings,
        forms=located.forms,
        store=public(arguments.store),
        channel=getattr(arguments, "followed", arguments.channel),
        header_file=str(header.absolute()) if header else None,
        header_over_http=arguments.store_header_over_http,
        header=arguments.header,
        trying=Trying(arguments.watch, arguments.keep),
        again=arguments.again,
    )


def _status(arguments: argparse.Namespace) -> int:
    found = status(Layout(arguments.home))
    if arguments.json:
        print(json.dumps(found, indent=2, sort_keys=True))
    else:
        print("\n".join(cli_person.status_lines(found, clock())))
    return 0 if found["healthy"] else UNHEALTHY


def _supervise(arguments: argparse.Namespace) -> int:
    supervise(arguments.home)
    return 0


def _exec(arguments: argparse.Namespace) -> int:
    settings = parse_env(Layout(arguments.home).env.read_text("utf-8"))
    program, *_ = arguments.argv
    os.execvpe(program, arguments.argv, {**os.environ, **settings})  # noqa: S606 - no shell wanted


RUNS = {
    "install": _install,
    "upgrade": _upgrade,
    "rollback": run_rollback,
    "configure": run_configure,
    "history": run_history,
    "settle": run_settle,
    "status": _status,
    "uninstall": run_uninstall,
    "supervise": _supervise,
    "exec": _exec,
    "follow": _follow,
    **PULL,
    **cli_person.RUNS,
}
