"""The verb that changes settings alone: the version stays, and nothing is fetched."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from toolkit.host.cli_upgrade import installed
from toolkit.host.console import now, speaking
from toolkit.host.envfile import parse_settings
from toolkit.host.errors import UsageError
from toolkit.host.fetch import Source
from toolkit.host.install import install
from toolkit.host.layout import Layout
from toolkit.host.lock import locked
from toolkit.host.outcome import Standing, compared, foreseen, standing
from toolkit.host.preview import preview
from toolkit.host.request import Request
from toolkit.host.state import State


def run_configure(arguments: argparse.Namespace) -> int:
    """Write the settings on standard input, and restart the service where they are others."""
    layout = Layout(arguments.home)
    state = installed(layout)
    settings = parse_settings(sys.stdin.buffer.read())
    arguments.before = before = standing(layout)
    after: Standing | None
    if arguments.check:
        request = _request(layout, state, settings)
        told = asdict(preview(request, layout))
        after = foreseen(request, before, layout)
    else:
        with locked(layout):
            request = _request(layout, installed(layout), settings)
            changed = install(request, speaking(quiet=arguments.json), now)
        told = {"version": request.version, "changed": list(changed)}
        after = standing(layout)
    if arguments.json:
        print(json.dumps({"name": state.name, **told, **compared(before, after)}))
    elif not told["changed"]:
        print(f"[INFO] {state.service} has these settings already: no change")
    elif arguments.check:
        print(f"{layout.home}: settings would be written, and {state.service} restarted")
    else:
        print(f"[INFO] {state.service} was restarted with its new settings, and is healthy")
    return 0


def _request(layout: Layout, state: State, settings: dict[str, str]) -> Request:
    version = layout.running_version()
    sha256 = layout.staged_sha256(version) if version else None
    if version is None or sha256 is None:
        raise UsageError(
            f"no whole version of {state.service} is in {layout.home}", hint="install one"
        )
    return Request(
        name=state.name,
        service=state.service,
        version=version,
        platform=state.platform,
        source=Source("", sha256),
        manager=state.manager,
        home=layout.home,
        user=state.user,
        engine=Path(sys.argv[0]).read_bytes(),
        settings=settings,
        store=state.store,
        channel=state.channel,
        header_file=state.header_file,
        header_over_http=state.header_over_http,
    )
