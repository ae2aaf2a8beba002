"""A small agent that runs on this machine itself, under agentctl's own supervisor, without root.

For tests of what calls agentctl: it opens no port, so that they may run side by side.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.releases import Released, build
from toolkit import engine
from toolkit.spec import AgentSpec

PROGRAM = "#!/bin/sh\nexec sleep 600\n"
BROKEN = "#!/bin/sh\nexit 1\n"


def build_local(folder: Path, version: str = "1.0.0", *, broken: bool = False) -> Released:
    """Build a version of the agent `local`; one that is broken ends at once."""
    project = folder / version
    (project / "agent").mkdir(parents=True)
    program = project / "agent" / "run"
    program.write_text(BROKEN if broken else PROGRAM, "utf-8")
    program.chmod(0o755)
    spec = AgentSpec.model_validate(
        {
            "name": "local",
            "title": "An agent of this machine",
            "source": "agent",
            "version": version,
            "platforms": ["linux-x64", "linux-arm64"],
            "runtime": {"kind": "none"},
            "service": {
                "exec": ["{current}/run"],
                "restart_delay": 1,
                "managers": ["direct"],
                "required": ["LOCAL_SECRET"],
                "secret": ["LOCAL_SECRET"],
            },
            "health": {"command": ["/bin/true"], "timeout": 5, "interval": 0.1, "watch": 1},
        }
    )
    return build(spec, project, folder / "dist")


def publish_local(store: Path, *releases: Released) -> None:
    """Put the releases and agentctl into the folder `store`."""
    store.mkdir(exist_ok=True)
    for released in releases:
        shutil.copy(released.dist / released.artifact.tarball, store)
    agentctl = engine.build()
    (store / agentctl.name).write_bytes(agentctl.data)


def install_order(store: str, released: Released, home: Path, **more: Any) -> dict[str, Any]:
    """Give the order that installs `released`, pinned by its hash, into the folder `home`."""
    file = released.artifact.tarball
    sha256 = hashlib.sha256((released.dist / file).read_bytes()).hexdigest()
    agentctl = engine.build()
    return {
        "schema": 1,
        "verb": "install",
        "name": "local",
        "home": str(home),
        "process_manager": "direct",
        "version": released.spec.release_version,
        "store": store,
        "trust": {"tarballs": [[released.artifact.platform or "any", file, sha256]]},
        "agentctl": {"name": agentctl.name, "sha256": agentctl.sha256},
        "settings": {"LOCAL_SECRET": "first-secret"},
        **more,
    }


@contextmanager
def ended(home: Path, carry_out: Any) -> Iterator[Path]:
    """Take the service from `home` when the block ends, however it does."""
    try:
        yield home
    finally:
        carry_out({"schema": 1, "verb": "uninstall", "name": "local", "home": str(home)})
