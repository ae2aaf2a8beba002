"""The story of an agent that no controller looks after."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.demo.steps import (
    Show,
    Shown,
    address_of,
    build_release,
    find_host,
    prove,
    publish_release,
    require_free_port,
    run_script,
)
from toolkit.install_script import Choices, render_for
from toolkit.interruption import tidying
from toolkit.loopback import serve


@contextmanager
def alone(show: Show) -> Iterator[Shown]:
    """Build, publish, install, verify, and leave nothing behind unless asked to.

    Raises ToolkitError where a step fails; what it had made is taken away all the same.
    """
    spec = show.spec
    require_free_port(spec)
    with tidying() as at_end:
        work = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="toolkit-demo-")))
        dist, public = work / "dist", work / "public"
        build_release(show, dist)
        publish_release(show, dist, public)
        url = at_end.enter_context(serve(public))
        show.tell.line(f"{url}/")
        with tidying() as of_host:
            host = find_host(show)
            of_host.callback(host.remove)
            script = render_for(spec, dist, Choices(url=url, label="a demonstration"))
            show.tell.step(f"Install it there, by {script.path}")
            run_script(show, host, script)
            verdict = prove(show, host)
            if show.wishes.keep:
                of_host.pop_all()
    commands = host.where_to_look(spec.service_name)
    removal = host.how_to_remove() if show.wishes.keep else ""
    yield Shown(verdict, address_of(spec), commands, removal)
