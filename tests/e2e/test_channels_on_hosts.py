"""The whole way of a signed release: keys, upload, a channel, a host that follows it, and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.published import Project
from tests.support.releases import SCRIPT, install
from tests.support.serve import StoreServer

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]


def version_on(host: Host) -> str:
    found: str = json.loads(host.read("/opt/tiny/state.json"))["version"]
    return found


def test_a_host_follows_a_channel_forth_and_back(
    host: Host, store: StoreServer, tmp_path: Path
) -> None:
    project = Project(tmp_path / "project", store)
    project.run("keys", "init", "--agent", "tiny")
    project.publish("1.0.0")
    project.run("promote", "tiny", "1.0.0", "--channel", "stable")
    script = tmp_path / "project" / "install.sh"
    project.run("render", "install-script", "tiny", "--channel", "stable", "-o", str(script))
    host.put(script, SCRIPT, mode=0o755)

    first = install(host)
    assert first.returncode == 0, first.stdout + first.stderr
    assert version_on(host) == "1.0.0"

    project.publish("1.1.0")
    assert install(host).returncode == 0
    assert version_on(host) == "1.0.0"  # published is not promoted
    project.run("promote", "tiny", "1.1.0", "--channel", "stable")
    assert install(host).returncode == 0
    assert version_on(host) == "1.1.0"

    project.run("yank", "tiny", "1.1.0", "--reason", "it forgets things")
    assert "it forgets things" in project.run("releases", "tiny")
    assert install(host).returncode == 0
    assert version_on(host) == "1.0.0"
    assert "1.1.0" in project.run("history", "tiny")


def test_a_stolen_bucket_installs_nothing(host: Host, store: StoreServer, tmp_path: Path) -> None:
    """Whoever holds the bucket may put whatever they like there."""
    project = Project(tmp_path / "project", store)
    project.run("keys", "init", "--agent", "tiny")
    project.publish("1.0.0")
    script = tmp_path / "project" / "install.sh"
    project.run("render", "install-script", "tiny", "-o", str(script))
    host.put(script, SCRIPT, mode=0o755)
    thief = Project(tmp_path / "thief", store)
    shutil.rmtree(store.root / "metadata")
    for file in store.root.glob("tiny-*"):
        file.unlink()
    thief.run("keys", "init", "--agent", "tiny")
    (thief.folder / "agent" / "agent.py").write_text("print('mine now')\n", "utf-8")
    thief.publish("1.0.0")

    done = install(host)
    assert done.returncode in (42, 43, 47), done.stdout + done.stderr
    assert host.run(["ls", "/opt/tiny/releases"], check=False).stdout == ""
