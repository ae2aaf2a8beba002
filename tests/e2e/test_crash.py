"""agentctl is killed before each step in turn; the next run always comes to the wanted end.

In a folder of this machine, under agentctl's own supervisor: no host is needed.
"""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.releases import Released, tiny
from toolkit import engine
from toolkit.host import health
from toolkit.host.accounts import this_account
from toolkit.host.direct import Direct
from toolkit.host.errors import FailedBefore, Reverted
from toolkit.host.fetch import Source
from toolkit.host.files import last_lines
from toolkit.host.history import read_history
from toolkit.host.install import install
from toolkit.host.layout import Layout, this_platform
from toolkit.host.request import Request, Say
from toolkit.host.state import read_state
from toolkit.host.uninstall import uninstall

PORT = "7171"
SILENT = Say(lambda _: None, lambda _, __: None)
# More than there are steps: the last of them run to the end.
STEPS = range(9)
TRIAL_STEPS = range(14)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    return {
        version: tiny(tmp_path_factory.mktemp("dist"), version=version)
        for version in ("1.0.0", "1.1.0")
    }


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "tiny"
    yield home
    Direct().remove(Layout(home), "tiny", {})


def now() -> str:
    return "2026-11-20T00:00:00+00:00"


def request(released: Released, home: Path, **settings: str) -> Request:
    tarball = released.dist / released.artifact.tarball
    sha256 = (released.dist / f"{tarball.name}.sha256").read_text("ascii").split()[0]
    home.mkdir(exist_ok=True)
    return Request(
        name="tiny",
        service="tiny",
        version=released.spec.release_version,
        platform=this_platform(),
        source=Source(tarball.as_uri(), sha256),
        manager="direct",
        home=home,
        user=this_account().name,
        engine=engine.build().data,
        settings={"TINY_PORT": PORT, **settings},
    )


@pytest.fixture(autouse=True)
def _gate_on_the_test_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release's gate asks port 7070; these tests run beside others."""
    real = health._http
    monkeypatch.setattr(
        health,
        "_http",
        lambda url, contains: real(url.replace("7070", PORT), contains),
    )


def killed_before(step: int, wanted: Request) -> bool:
    """Install in a child that kills itself before its step number `step`; False if it ended."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(_: str) -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

        code = 1
        try:
            install(wanted, Say(count, lambda _, __: None), now)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def answer() -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as response:
        found: dict[str, object] = json.load(response)
    return found


def assert_runs(wanted: Request) -> None:
    """The wanted version runs, the state says so, and there is nothing left to do."""
    assert f"/releases/{wanted.version}/" in str(answer()["from"])
    state = read_state(Layout(wanted.home))
    assert state is not None
    assert (state.version, state.outcome) == (wanted.version, "running")
    assert install(wanted, SILENT, now) == ()


@pytest.mark.parametrize("step", TRIAL_STEPS)
def test_killed_while_upgrading(step: int, versions: dict[str, Released], home: Path) -> None:
    install(request(versions["1.0.0"], home), SILENT, now)
    wanted = request(versions["1.1.0"], home)
    killed_before(step, wanted)
    install(wanted, SILENT, now)
    assert_runs(wanted)


def test_a_bad_version_goes_and_is_not_tried_again(
    versions: dict[str, Released], home: Path, tmp_path: Path
) -> None:
    install(request(versions["1.0.0"], home), SILENT, now)
    bad = request(tiny(tmp_path / "dist", version="2.0.0", exec=["/bin/false"]), home, MOOD="bad")
    with pytest.raises(Reverted, match=r"2\.0\.0 did not stay.*\n1\.0\.0 runs again"):
        install(bad, SILENT, now)
    assert "MOOD" not in answer()["env"]  # type: ignore[operator]
    with pytest.raises(FailedBefore, match=r"2\.0\.0 failed on this host before"):
        install(bad, SILENT, now)
    assert [event.what for event in read_history(Layout(home))] == ["installed", "reverted"]
    stays = request(versions["1.0.0"], home)
    assert install(stays, SILENT, now) == ()
    assert_runs(stays)
    # That nothing had to be done is no event.
    assert [event.what for event in read_history(Layout(home))] == ["installed", "reverted"]


@pytest.mark.parametrize("step", TRIAL_STEPS)
def test_killed_in_a_trial_and_then_told_to_stay(
    step: int, versions: dict[str, Released], home: Path
) -> None:
    stays = request(versions["1.0.0"], home)
    install(stays, SILENT, now)
    killed_before(step, request(versions["1.1.0"], home))
    install(stays, SILENT, now)
    assert_runs(stays)


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_installing_for_the_first_time(
    step: int, versions: dict[str, Released], home: Path
) -> None:
    wanted = request(versions["1.0.0"], home)
    killed_before(step, wanted)
    install(wanted, SILENT, now)
    assert_runs(wanted)


@pytest.mark.parametrize("step", range(4))
def test_killed_while_changing_a_setting(
    step: int, versions: dict[str, Released], home: Path
) -> None:
    install(request(versions["1.0.0"], home), SILENT, now)
    wanted = request(versions["1.0.0"], home, MOOD="good")
    killed_before(step, wanted)
    install(wanted, SILENT, now)
    assert_runs(wanted)
    environment = answer()["env"]
    assert isinstance(environment, dict)
    assert environment["MOOD"] == "good"


@pytest.mark.parametrize("step", STEPS)
def test_uninstalled_after_any_kill(step: int, versions: dict[str, Released], home: Path) -> None:
    killed_before(step, request(versions["1.0.0"], home))
    uninstall(Layout(home), SILENT, now, keep_data=False)
    assert not home.exists()


def ended(pid: int) -> bool:
    """Say whether the process is gone, or only waits to be reaped."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text("ascii").rpartition(")")[2].split()[0] == "Z"


def test_a_supervisor_that_was_killed_leaves_no_agent_behind(
    versions: dict[str, Released], home: Path
) -> None:
    install(request(versions["1.0.0"], home), SILENT, now)
    layout = Layout(home)
    supervisor, agent = (
        int((layout.run / f"{name}.pid").read_text("ascii").split()[0])
        for name in ("supervisor", "agent")
    )
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    uninstall(layout, SILENT, now, keep_data=False)
    with pytest.raises(OSError, match="refused"):
        answer()
    assert ended(agent)


def test_a_file_of_somebody_else_is_never_taken_away(
    versions: dict[str, Released], home: Path
) -> None:
    home.mkdir()
    (home / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(Exception, match=r"thesis\.txt"):
        install(request(versions["1.0.0"], home), SILENT, now)
    (home / "thesis.txt").rename(home.parent / "thesis.txt")
    install(request(versions["1.0.0"], home), SILENT, now)
    (home.parent / "thesis.txt").rename(home / "thesis.txt")
    uninstall(Layout(home), SILENT, now, keep_data=False)
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]


def test_data_is_kept_on_request_and_removed_later(
    versions: dict[str, Released], home: Path
) -> None:
    install(request(versions["1.0.0"], home), SILENT, now)
    (home / "workspace" / "notes").write_text("mine", "utf-8")
    uninstall(Layout(home), SILENT, now, keep_data=True)
    assert not (home / "current").is_symlink()
    install(request(versions["1.0.0"], home), SILENT, now)
    assert (home / "workspace" / "notes").read_text("utf-8") == "mine"
    uninstall(Layout(home), SILENT, now, keep_data=True)
    uninstall(Layout(home), SILENT, now, keep_data=False)
    assert not home.exists()


def test_a_log_that_is_a_link_is_neither_written_nor_read(
    versions: dict[str, Released], home: Path, tmp_path: Path
) -> None:
    install(request(versions["1.0.0"], home), SILENT, now)
    secret = tmp_path / "secret"
    secret.write_text("not yours\n", "utf-8")
    log = home / "logs" / "agent.log"
    log.unlink()
    log.symlink_to(secret)
    assert "not yours" not in "\n".join(last_lines(log, 10, this_account()))
