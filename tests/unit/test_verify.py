import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.errors import HostError
from toolkit.progress import Silent
from toolkit.spec import AgentSpec
from toolkit.verify import Options, verify, verify_all

SPEC = AgentSpec.model_validate(
    {
        "name": "beacon",
        "title": "A beacon",
        "source": "beacon",
        "version": "1.0.0",
        "runtime": {"kind": "none"},
        "service": {"exec": ["{current}/beacon"], "managers": ["direct"]},
        "health": {"command": ["test", "-d", "{home}/workspace"]},
    }
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A private folder with an agent that runs from it, as agentctl lays it out."""
    home, user = tmp_path / "beacon", subprocess.check_output(["id", "-un"], text=True).strip()
    release = home / "releases/1.0.0"
    for folder in (release, home / "logs", home / "workspace", home / "run"):
        folder.mkdir(parents=True)
    (release / "beacon").write_text("#!/bin/sh\nsleep 60\n")
    (release / ".complete").touch()
    for path in (release / "beacon", release):
        path.chmod(0o555)
    (home / ".env").touch(0o600)
    (home / "current").symlink_to("releases/1.0.0")
    state = {"name": "beacon", "version": "1.0.0", "manager": "direct", "user": user}
    (home / "state.json").write_text(json.dumps({**state, "outcome": "running"}))
    with subprocess.Popen([home / "current/beacon"], start_new_session=True) as process:
        for name, pid in {"agent.pid": process.pid, "supervisor.pid": os.getpid()}.items():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            (home / "run" / name).write_text(f"{pid} {fields[19]}\n")
        (home / "run/restarts").write_text("0\n")
        yield home
        os.killpg(process.pid, 9)


class Counted(Silent):
    """Remembers what was said of the work."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self, what: str, total: int | None = None) -> None:
        self.said.append(f"{what}: {total}")

    def advance(self, amount: int = 1) -> None:
        self.said.append(f"+{amount}")

    def finish(self) -> None:
        self.said.append("done")


ANSWER_TOGETHER = """#!/bin/sh
touch "{folder}/$2"
for _ in $(seq 300); do
  [ "$(ls {folder} | wc -l)" -lt 6 ] || break
  sleep 0.1
done
[ "$(ls {folder} | wc -l)" -ge 6 ] || exit 1
shift 2
exec "$@"
"""


def test_an_agent_that_runs_as_promised_holds(home: Path) -> None:
    verdict = verify(SPEC, "local", Options(home=str(home), sudo=False))
    assert verdict.failed == ()
    assert (verdict.holds, verdict.installed, verdict.version) == (True, True, "1.0.0")
    assert len(verdict.checks) == 13


def test_a_fault_is_found(home: Path) -> None:
    (home / ".env").chmod(0o644)
    verdict = verify(SPEC, "local", Options(home=str(home), sudo=False, version="1.0.0"))
    assert [check.name for check in verdict.failed] == [".env"]
    assert not verdict.holds


def test_a_host_that_cannot_be_reached_is_an_error(home: Path) -> None:
    with pytest.raises(HostError):
        verify(SPEC, "nowhere", Options(home=str(home)))


def test_several_hosts_are_looked_at_once_each_and_none_hides_another(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each of these "hosts" is this machine, and answers when all six were asked.
    (tmp_path / "asked").mkdir()
    podman = tmp_path / "podman"
    podman.write_text(ANSWER_TOGETHER.format(folder=tmp_path / "asked"))
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    hosts = [*(f"podman://host{n}" for n in range(6)), "nowhere", "podman://host0"]
    progress = Counted()
    verdicts = verify_all(SPEC, hosts, Options(home=str(home), sudo=False), progress)
    assert [verdict.host for verdict in verdicts] == hosts[:-1]
    assert [verdict.holds for verdict in verdicts] == [True] * 6 + [False]
    assert verdicts[-1].error is not None
    assert verdicts[-1].installed
    assert progress.said == ["looking at 7 hosts: 7", *["+1"] * 7, "done"]
