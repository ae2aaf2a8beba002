"""`toolkit fleet rollouts`, `resume` and what a rollout refuses before it begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from toolkit import ledger
from toolkit.cli import main
from toolkit.rollout_events import Begun, Ended, Event, Found, Looked, Loss, Plan, Planned, Stopped

AT = "2026-11-21T05:00:00+00:00"
PLANNED = Planned("tiny-1", "tiny", "upgrade", "1.1.0", Plan((("a",), ("b", "c")), 1, 0))
EVENTS: list[Event] = [
    *(Found(host, "ready", "1.0.0", "1.1.0") for host in ("a", "b", "c")),
    Looked(0),
    Begun("a"),
    Ended("a", "1.0.0", "1.1.0", True, None, 3.0),
    Looked(1),
    Begun("b"),
    Ended("b", "1.0.0", "1.0.0", False, Loss("reverted", "it ended", ran=True), 2.0),
    Stopped("1 host of 3 are lost, and 0 may be"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with ledger.create(tmp_path, PLANNED, lambda: AT) as held:
        for event in EVENTS:
            held.append(event)
    return tmp_path


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["fleet", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_the_list(folder: Path, tmp_path: Path) -> None:
    text = call("rollouts", "--ledger", str(folder))
    assert "upgrade tiny" in text
    assert "stopped: 1 host of 3" in text
    (row,) = json.loads(call("rollouts", "--ledger", str(folder), "--json"))
    assert (row["outcome"], row["lost"], row["budget"]) == ("stopped", 1, 0)
    empty = tmp_path / "empty"
    assert "no rollout is known" in call("rollouts", "--ledger", str(empty))


def test_one_of_them(folder: Path) -> None:
    text = call("rollouts", "tiny-1", "--ledger", str(folder))
    assert "reverted: it ended" in text
    assert "1.0.0 -> 1.1.0" in text
    assert "toolkit fleet resume tiny-1" in text
    told = json.loads(call("rollouts", "tiny-1", "--ledger", str(folder), "--json"))
    assert [row["what"] for row in told["hosts"]] == ["holds", "lost", "waiting"]
    assert "no rollout 'tiny-2'" in call("rollouts", "tiny-2", "--ledger", str(folder), code=4)


def test_while_it_is_driven_it_is_running_and_nobody_else_drives_it(folder: Path) -> None:
    with ledger.hold(folder, "tiny-1", lambda: AT):
        (row,) = json.loads(call("rollouts", "--ledger", str(folder), "--json"))
        assert row["outcome"] == "running"
        assert "another process" in call("resume", "tiny-1", "--ledger", str(folder), code=17)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--version", "1", "--channel", "stable"], "both say what to run"),
        (["-K", "--through", "ansible"], "for Fabric alone"),
        (["--max-failed", "many"], "no number of hosts"),
        (["--by", "planet"], "'planet'"),
        ([], "nobody is here to say yes"),
    ],
)
def test_what_is_refused_before_a_host_is_asked(
    words: list[str], said: str, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.json"
    own = {"agent_store": "https://s", "agent_agentctl": {"name": "a", "sha256": "b"}}
    inventory.write_text(json.dumps({"all": {"hosts": {"a": own, "b": own}}}), "utf-8")
    where = ["-i", str(inventory), "--ledger", str(tmp_path / "ledger")]
    assert said in call("upgrade", "tiny", *where, *words, code=2)
    assert not (tmp_path / "ledger").exists()
