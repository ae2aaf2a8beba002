"""What comes between an upgrade's steps: nothing is blamed, lost or claimed that is not so."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.support.tried import NEW, OLD, SILENT, Fake, change, noted, now, release, state, trial
from toolkit.host import install, tidy, upgrade
from toolkit.host.accounts import this_account
from toolkit.host.arguments import build_parser
from toolkit.host.cli import RUNS
from toolkit.host.console import speaking
from toolkit.host.ending import settle
from toolkit.host.errors import (
    AgentctlError,
    CommandFailed,
    FailedBefore,
    NotPermitted,
    Reverted,
    StartFailed,
    UsageError,
)
from toolkit.host.fetch import Source
from toolkit.host.history import read_history
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation
from toolkit.host.preview import preview
from toolkit.host.release import Health
from toolkit.host.request import Request, Say, Trying
from toolkit.host.rollback import rollback
from toolkit.host.state import write_state
from toolkit.host.trial import begin_revert, read_trial
from toolkit.host.upgrade import try_out
from toolkit.host.watch import Failed, terms, watch

# --- the watch


@pytest.mark.parametrize("why", ["expired", "rebooted", "superseded"])
def test_a_trial_that_was_ended_from_outside_says_nothing_of_the_version(
    why: str, layout: Layout, manager: Fake
) -> None:
    """Ctrl-Z in mid-trial: systemd's time runs out, and `fg` finds the old version back."""
    trial(layout)
    begin_revert(layout, why)
    new = Installation(release(NEW), layout, this_account())
    with pytest.raises(Failed) as caught:
        watch(manager, new, terms(new.release.health, 0), None, lambda _: None)
    assert not caught.value.own
    assert f": {why}" not in str(caught.value)


def test_a_log_that_can_t_be_read_hides_no_fault(layout: Layout, manager: Fake) -> None:
    manager.fails[f"logs {NEW}"] = CommandFailed("`journalctl` failed")
    manager.hook = lambda: None
    new = Installation(release(NEW), layout, this_account())
    trial(layout)
    begin_revert(layout, "failed")
    with pytest.raises(Failed, match="its process ended") as caught:
        watch(manager, new, terms(new.release.health, 0), None, lambda _: None)
    assert caught.value.own


def test_no_secret_gets_into_what_is_noted_and_shown(layout: Layout, manager: Fake) -> None:
    layout.env.write_text("TOKEN=hunter2-hunter2\n", "utf-8")
    service = replace(release(NEW).service, secret=("TOKEN",))
    health = Health("command", ("/bin/sh", "-c", "echo hunter2-hunter2 >&2; false"), 1, 0.05)
    theirs = replace(release(NEW), service=service, health=health)
    manager.prints = "refused: hunter2-hunter2"
    trial(layout)
    new = Installation(theirs, layout, this_account())
    with pytest.raises(Failed) as caught:
        watch(manager, new, terms(health, 0), None, lambda _: None)
    assert "refused: " in caught.value.log
    assert "hunter2" not in caught.value.log + str(caught.value)


# --- who is to blame


@pytest.mark.parametrize(
    ("error", "own"),
    [
        (StartFailed("Job for tiny.service failed"), True),
        (OSError(12, "Cannot allocate memory"), False),
        (CommandFailed("`systemctl restart` failed with exit code 1: Failed to restart"), False),
    ],
)
def test_what_keeps_agentctl_from_starting_it_is_not_the_version_s_fault(
    error: Exception, own: bool, layout: Layout, manager: Fake
) -> None:
    manager.fails[f"start {NEW}"] = error
    with pytest.raises(Reverted):
        try_out(change(layout, manager), SILENT, now)
    assert ("b" in noted(layout).failed) == own
    assert (manager.runs, layout.running_version()) == (OLD, OLD)


def test_an_operator_who_changes_their_mind_condemns_nothing(layout: Layout, manager: Fake) -> None:
    """1.0 was gone back to from 2.0; going to 2.0 again is not a word against 1.0."""
    fault = {"version": NEW, "reason": "an operator went back from it", "at": now()}
    write_state(layout, replace(state(), failed={"b": fault}, previous=NEW))
    try_out(change(layout, manager, kind="rollback"), SILENT, now)
    assert noted(layout).version == NEW
    assert noted(layout).failed == {}


def test_who_may_not_start_it_may_not_go_back_either(layout: Layout, manager: Fake) -> None:
    """Root's files in the folder of a user's own systemd would keep that one from going back."""
    manager.fails[f"require {NEW}"] = NotPermitted("a user's own unit is not for root")
    with pytest.raises(NotPermitted):
        rollback(layout, NEW, Trying(), SILENT, now)
    assert read_trial(layout) is None
    assert manager.runs == OLD


# --- a trial that goes on


def test_a_trial_that_can_t_go_on_brings_back_the_process_too(
    layout: Layout, manager: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off while 2.0 ran; the next call can't write .env: 1.0 must run, not only be noted."""
    trial(layout)
    layout.current.unlink()
    layout.current.symlink_to(f"releases/{NEW}")
    manager.runs = NEW

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upgrade, "write_settings", full)
    with pytest.raises((AgentctlError, OSError)):
        try_out(change(layout, manager), SILENT, now)
    assert layout.running_version() == OLD
    assert manager.runs == OLD
    assert read_trial(layout) is None


def test_a_state_that_names_a_version_that_never_ran_is_put_right(
    layout: Layout, manager: Fake
) -> None:
    write_state(layout, replace(state(), version="1.5", sha256="c", outcome="failed"))
    trial(layout)
    settle(layout, SILENT, now)
    assert (noted(layout).version, noted(layout).sha256) == (OLD, "a")


def test_the_same_failure_twice_is_told_twice(layout: Layout, manager: Fake) -> None:
    times = iter(f"2026-11-21T00:00:{second:02}+00:00" for second in range(60))
    manager.fails[f"process {NEW}"] = CommandFailed("no answer")
    for _ in range(2):
        with pytest.raises(Reverted):
            try_out(change(layout, manager), SILENT, lambda: next(times))
    assert [event.what for event in read_history(layout)] == ["reverted", "reverted"]


# --- after it was kept


def test_a_version_that_stays_is_no_failure_for_want_of_tidying_up(
    layout: Layout, manager: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(tidy, "prune", refused)
    said: list[str] = []
    assert "start" in try_out(change(layout, manager), Say(said.append, lambda _, __: None), now)
    assert any("Operation not permitted" in line for line in said)
    assert noted(layout).version == NEW


# --- who interrupts


def test_a_second_ctrl_c_does_not_stop_the_old_version_from_coming_back(
    layout: Layout, manager: Fake
) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    manager.hook = interrupt
    real = manager.start

    def start(installation: Installation) -> None:
        if installation.release.version == OLD:
            interrupt()
        real(installation)

    manager.start = start  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        try_out(change(layout, manager), SILENT, now)
    assert (manager.runs, layout.running_version()) == (OLD, OLD)
    assert noted(layout).outcome == "reverted"
    assert read_trial(layout) is None


def test_a_terminal_that_hung_up_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        speaking(quiet=False).step("bring 1.0 back")
        monkeypatch.undo()
        with suppress(BrokenPipeError):
            closed.close()


# --- what is said, and refused, before anything is done


def request(layout: Layout) -> Request:
    return Request(
        name="tiny",
        service="tiny",
        version=NEW,
        platform="any",
        source=Source("file:///nowhere", "b"),
        manager="direct",
        home=layout.home,
        user=this_account().name,
        engine=b"",
    )


def test_check_says_that_a_version_failed_before(layout: Layout) -> None:
    fault = {"version": NEW, "reason": "it hung", "at": now()}
    write_state(layout, replace(state(), failed={"b": fault}))
    with pytest.raises(FailedBefore, match="it hung"):
        preview(request(layout), layout)


def test_check_promises_no_way_back_to_a_version_that_is_not_whole(layout: Layout) -> None:
    assert any(f"bring {OLD} back" in step for step in preview(request(layout), layout).steps)
    layout.marker(OLD).unlink()
    assert not any(f"bring {OLD} back" in step for step in preview(request(layout), layout).steps)


def test_no_upgrade_changes_the_user(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial would start as a user that may not write its logs, and go back as it, too."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(install, "default_home", lambda _: str(layout.home))
    theirs = replace(release(NEW), service=replace(release(NEW).service, user="other"))
    with pytest.raises(UsageError, match="runs as other, and what runs now as"):
        install._account(request(layout), theirs, layout)


# --- words


@pytest.mark.parametrize(
    ("option", "text"),
    [
        *(("--watch", text) for text in ("nan", "inf", "-1", "1e12", "x")),
        *(("--keep", text) for text in ("0", "-3", "x")),
    ],
)
def test_a_window_or_a_number_that_can_t_be_is_refused(option: str, text: str) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser(RUNS).parse_args(["rollback", "--home", "/opt/tiny", option, text])
    assert caught.value.code == 2
