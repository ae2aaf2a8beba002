"""A trial ends truly whatever comes from outside: operators, managers, other agentctl."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest

from tests.support.tried import NEW, OLD, SILENT, Fake, change, noted, now, release, state, trial
from toolkit.host.cli import main
from toolkit.host.ending import Settling, settle
from toolkit.host.errors import CommandFailed, PutAside, Reverted, TooOld
from toolkit.host.history import read_history
from toolkit.host.layout import Layout
from toolkit.host.manager import Process
from toolkit.host.pm2 import Pm2
from toolkit.host.release import Hooks
from toolkit.host.request import Trying
from toolkit.host.rollback import rollback
from toolkit.host.state import write_state
from toolkit.host.status import status
from toolkit.host.trial import begin_revert, commit, read_trial, restore
from toolkit.host.upgrade import try_out

STOPPED = Process(False, None, 0, "inactive (dead), result success", stopped=True)


def switch(layout: Layout, version: str) -> None:
    layout.current.unlink(missing_ok=True)
    layout.current.symlink_to(f"releases/{version}")


# --- operators


@pytest.mark.parametrize("word", ["stopped", "disabled"])
def test_nobody_s_upgrade_starts_what_somebody_stopped(
    word: str, layout: Layout, manager: Fake
) -> None:
    """Also where it was stopped while the version was fetched."""
    manager.aside = word
    with pytest.raises(PutAside, match=f"tiny is {word}, and so {NEW} was not tried"):
        try_out(change(layout, manager, trying=Trying(unattended=True)), SILENT, now)
    assert (manager.runs, layout.running_version(), read_trial(layout)) == (OLD, OLD, None)
    assert "start" in try_out(change(layout, manager), SILENT, now)
    assert manager.runs == NEW


def test_who_stops_a_version_on_trial_condemns_nothing(layout: Layout, manager: Fake) -> None:
    manager.shown = STOPPED
    with pytest.raises(Reverted, match="somebody stopped it while it was on trial"):
        try_out(change(layout, manager), SILENT, now)
    assert noted(layout).failed == {}
    assert layout.running_version() == OLD
    assert (noted(layout).postponed or {})["times"] == 1


# --- managers


class Hiccups(Fake):
    """Does not answer so many times."""

    left = 0

    def process(self, installation: object) -> Process:
        if self.left > 0:
            self.left -= 1
            raise CommandFailed("Failed to connect to bus")
        return self.shown


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.host.health.ASK_AGAIN", (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("_impatient")
def test_a_manager_that_does_not_answer_once_ends_nothing(layout: Layout) -> None:
    manager = Hiccups(layout)
    manager.left = 3
    assert "start" in try_out(change(layout, manager), SILENT, now)
    assert noted(layout).version == NEW


@pytest.mark.usefixtures("_impatient")
def test_a_manager_that_never_answers_blames_nobody(layout: Layout, manager: Fake) -> None:
    manager.fails[f"process {NEW}"] = CommandFailed("Failed to connect to bus")
    with pytest.raises(Reverted, match="direct could not be asked about tiny, 4 times"):
        try_out(change(layout, manager), SILENT, now)
    assert noted(layout).failed == {}
    assert manager.runs == OLD


@pytest.mark.parametrize(
    "fault",
    [
        KeyError("pm2_env"),
        ValueError("Expecting value"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    ],
)
@pytest.mark.parametrize("step", ["configure", "start", "process"])
def test_what_nobody_foresaw_ends_in_a_revert(
    step: str, fault: Exception, layout: Layout, manager: Fake
) -> None:
    manager.fails[f"{step} {NEW}"] = fault
    with pytest.raises(Reverted, match="agentctl has a fault of its own"):
        try_out(change(layout, manager), SILENT, now)
    assert (manager.runs, layout.running_version(), read_trial(layout)) == (OLD, OLD, None)
    assert noted(layout).failed == {}
    assert type(fault).__name__ in noted(layout).reason


def test_an_old_version_that_can_t_come_back_is_told(layout: Layout, manager: Fake) -> None:
    manager.fails[f"start {NEW}"] = CommandFailed("no bus")
    manager.fails[f"start {OLD}"] = KeyError("pm2_env")
    with pytest.raises(CommandFailed, match=f"and {OLD} is not back yet") as caught:
        try_out(change(layout, manager), SILENT, now)
    assert f"rollback --to {OLD}" in caught.value.hint
    manager.fails.clear()
    settle(layout, SILENT, now)
    assert (manager.runs, read_trial(layout)) == (OLD, None)


@pytest.mark.parametrize(
    "said",
    [
        "[{]",
        '[{"pid": 7}]',
        '[{"name": "tiny"}]',
        '[{"name": "tiny", "pm2_env": null}]',
        '[{"name": "tiny", "pid": "x", "pm2_env": {"status": "online", "restart_time": 0}}]',
        '[{"name": "tiny", "pm2_env": {"status": "online", "restart_time": null}}]',
        "[PM2] Spawning PM2 daemon\n[7]",
        "",
    ],
)
def test_odd_words_of_pm2_are_a_program_s_failure(
    said: str, layout: Layout, manager: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.host.pm2.shutil.which", lambda *_, **__: "/usr/bin/pm2")
    monkeypatch.setattr("toolkit.host.pm2.run", lambda *_, **__: said)
    with pytest.raises(CommandFailed):
        Pm2().process(change(layout, manager).old)


# --- damaged files


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"schema": 1, "service": 7}'])
def test_a_damaged_description_of_what_runs_stops_nobody_from_going_back(
    text: str, layout: Layout, manager: Fake
) -> None:
    """2.0 runs, what it says of itself is damaged, and 1.0 was the one before."""
    switch(layout, NEW)
    manager.runs = NEW
    write_state(layout, replace(state(), version=NEW, sha256="b", previous=OLD))
    (layout.release(NEW) / "toolkit" / "release.json").write_text(text, "utf-8")
    found = status(layout)
    assert (found["version"], found["running"], found["healthy"]) == (NEW, True, False)
    assert "release.json" in found["fault"]
    assert rollback(layout, None, Trying(), SILENT, now)[0] == OLD
    assert (manager.runs, noted(layout).version) == (OLD, OLD)


@pytest.mark.parametrize("damaged", [(OLD,), (OLD, NEW)])
def test_a_damaged_description_stops_no_trial_from_being_ended(
    damaged: tuple[str, ...], layout: Layout, manager: Fake
) -> None:
    trial(layout)
    switch(layout, NEW)
    manager.runs = NEW
    for version in damaged:
        (layout.release(version) / "toolkit" / "release.json").unlink()
    settle(layout, SILENT, now)
    assert (manager.runs, layout.running_version(), read_trial(layout)) == (OLD, OLD, None)


def test_a_damaged_description_stops_no_upgrade(layout: Layout, manager: Fake) -> None:
    (layout.release(OLD) / "toolkit" / "release.json").write_text("{", "utf-8")
    manager.fails[f"start {NEW}"] = CommandFailed("no bus")
    damaged = replace(change(layout, manager).old, release=replace(release(NEW), version=OLD))
    with pytest.raises(Reverted):
        try_out(replace(change(layout, manager), old=damaged), SILENT, now)
    assert manager.runs == OLD


# --- other agentctl


@pytest.mark.parametrize("name", ["state.json", "trial/trial.json"])
def test_files_of_a_newer_agentctl_are_refused_in_plain_words(
    name: str, layout: Layout, manager: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    trial(layout)
    path = layout.home / name
    data = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**data, "schema": 7, "agentctl": "9.1.0"}), "utf-8")
    assert main(["status", "--home", str(layout.home)]) == TooOld.exit_code
    said = capsys.readouterr().err
    assert "is of format 7, written by agentctl 9.1.0; this is agentctl" in said
    assert "which reads format 1" in said
    assert "use " in said
    assert main(["rollback", "--home", str(layout.home)]) == TooOld.exit_code


@pytest.mark.parametrize("name", ["state.json", "trial/trial.json"])
def test_what_a_newer_agentctl_added_is_passed_over(
    name: str, layout: Layout, manager: Fake
) -> None:
    opened = trial(layout)
    path = layout.home / name
    data = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**data, "mood": "good"}), "utf-8")
    assert read_trial(layout) == opened
    settle(layout, SILENT, now)
    assert (layout.running_version(), read_trial(layout)) == (OLD, None)


def test_a_trial_of_an_agentctl_before_formats_is_read(layout: Layout, manager: Fake) -> None:
    opened = trial(layout)
    path = layout.trial / "trial.json"
    data = json.loads(path.read_text("utf-8"))
    for key in ("schema", "agentctl", "keep"):
        del data[key]
    path.write_text(json.dumps(data), "utf-8")
    assert read_trial(layout) == opened


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}'])
def test_a_damaged_trial_is_told_in_plain_words(
    text: str, layout: Layout, manager: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    trial(layout)
    (layout.trial / "trial.json").write_text(text, "utf-8")
    assert main(["status", "--home", str(layout.home)]) == 23
    assert "trial.json is damaged" in capsys.readouterr().err


def test_a_manager_of_the_future_is_named(
    layout: Layout, manager: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    write_state(layout, replace(state(), manager="launchd"))
    assert main(["status", "--home", str(layout.home)]) == TooOld.exit_code
    assert "'launchd' is no process manager" in capsys.readouterr().err


# --- settings


def test_what_an_editor_writes_in_a_trial_goes_with_it(layout: Layout) -> None:
    """An editor may write into the file that is there: it must not be the one to go back to."""
    layout.credentials.mkdir()
    secret = layout.credentials / "TOKEN"
    secret.write_text("old", "utf-8")
    secret.chmod(0o400)
    opened = trial(layout)
    assert opened.before == OLD
    secret.chmod(0o600)
    for path in (layout.env, secret):
        with path.open("a", encoding="utf-8") as file:
            file.write("B=2\n")
    begin_revert(layout, "unhealthy")
    restore(layout)
    assert layout.env.read_text("utf-8") == "A=1\n"
    assert layout.env.stat().st_mode & 0o777 == 0o600
    assert (secret.read_text("utf-8"), secret.stat().st_mode & 0o777) == ("old", 0o400)


def test_no_room_for_what_to_go_back_to_is_no_trial(
    layout: Layout, manager: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("toolkit.host.trial.copy_whole", full)
    with pytest.raises(OSError, match="No space left"):
        try_out(change(layout, manager), SILENT, now)
    assert (manager.runs, layout.running_version(), read_trial(layout)) == (OLD, OLD, None)


# --- cut off after it was kept


@pytest.mark.parametrize("noted_too", [False, True])
def test_what_is_left_when_a_version_was_kept_is_done_by_the_next_call(
    noted_too: bool, layout: Layout, manager: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """agentctl was killed right after the commit, or after it had noted it."""
    theirs = replace(
        release(NEW), hooks=Hooks(after_commit=("/bin/sh", "-c", "echo ran >>{home}/hooked"))
    )
    (layout.release(NEW) / "toolkit" / "release.json").write_text(theirs.to_json(), "utf-8")
    for version in ("0.8", "0.9"):
        layout.release(version).mkdir()
        layout.marker(version).write_text("cd\n", "ascii")
    opened = replace(trial(layout), keep=2)
    if noted_too:
        with monkeypatch.context() as patched:
            patched.setattr(
                "toolkit.host.upgrade.tidy", lambda *_: os.kill(os.getpid(), signal.SIGINT)
            )
            with pytest.raises(KeyboardInterrupt):
                try_out(change(layout, manager, trying=Trying(keep=2)), SILENT, now)
    else:
        switch(layout, NEW)
        path = layout.trial / "trial.json"
        path.write_text(json.dumps({"schema": 1, **opened.__dict__}), "utf-8")
        commit(layout)
    settle(layout, SILENT, now, Settling(only_note=True))
    assert not (layout.home / "hooked").exists()
    for _ in range(2):
        settle(layout, SILENT, now)
        assert (layout.home / "hooked").read_text("utf-8") == "ran\n"
    assert noted(layout).version == NEW
    assert noted(layout).left is None
    assert sorted(path.name for path in layout.releases.iterdir()) == [OLD, NEW]


# --- terminals


def test_a_lost_connection_ends_no_trial(layout: Layout, manager: Fake) -> None:
    def hang_up() -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    before = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    manager.hook = hang_up
    try:
        assert "start" in try_out(change(layout, manager), SILENT, now)
        assert signal.getsignal(signal.SIGHUP) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGHUP, before)
    assert noted(layout).version == NEW
    assert [event.what for event in read_history(layout)] == ["upgraded"]
