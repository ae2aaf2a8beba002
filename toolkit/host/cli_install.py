"""The verbs that bring versions: install, upgrade, follow."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from toolkit.host.address import public
from toolkit.host.bundled import Contents
from toolkit.host.choice import Wanted
from toolkit.host.cli_follow import Unless, nothing_done, run_follow, run_unattended
from toolkit.host.cli_upgrade import as_install
from toolkit.host.console import clock, now, speaking
from toolkit.host.errors import (
    AgentctlError,
    Expired,
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
from toolkit.host.outcome import compared, foreseen, standing
from toolkit.host.preview import preview
from toolkit.host.privateca import believing, named
from toolkit.host.release import default_home
from toolkit.host.request import Request, Say, Trying
from toolkit.host.storeheader import sending


def _install(arguments: argparse.Namespace, unless: Unless = lambda _: None) -> int:
    """Install, unless a reason speaks against what was found."""
    layout = _layout_of(arguments)
    arguments.home = home = layout.home
    arguments.ca = _ca(arguments)
    say = speaking(quiet=arguments.json)
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
    with header, metered(arguments.max_rate), believing(_layout_of(arguments)):
        yield None


def _layout_of(arguments: argparse.Namespace) -> Layout:
    service = arguments.service or arguments.name
    return Layout((arguments.home or Path(default_home(service))).absolute())


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
        trying=Trying(arguments.watch, arguments.keep, getattr(arguments, "unattended", False)),
        again=arguments.again,
        ca=arguments.ca,
    )


def _ca(arguments: argparse.Namespace) -> bytes | None:
    """Give the CA that the caller named for the store; read before ours is put in its place."""
    bundled = getattr(arguments, "bundle", None) is not None
    return None if bundled else named(arguments.store, os.environ)


RUNS = {
    "install": _install,
    "upgrade": _upgrade,
    "follow": _follow,
}
