import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from toolkit.cli import main

AGENT = """\
name = "beacon"
title = "A beacon"
source = "beacon"
version = "1.0.0"

[runtime]
kind = "none"

[service]
exec = ["{current}/beacon"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the agent `beacon`, and a half of an installation in home/."""
    (tmp_path / "release").mkdir()
    (tmp_path / "release/beacon.toml").write_text(AGENT)
    (tmp_path / "home/releases/1.0.0").mkdir(parents=True)
    (tmp_path / "home/current").symlink_to("releases/1.0.0")
    return tmp_path


def run(project: Path, *words: str) -> Result:
    argv = ["verify", "beacon", "--project", str(project), "--no-sudo", *words]
    return CliRunner().invoke(main, argv)


def test_a_person_sees_a_table_and_what_is_wrong(project: Path) -> None:
    done = run(project, "--host", "local", "--prefix", str(project / "home"))
    assert done.exit_code == 10
    lines = done.stdout.splitlines()
    assert lines[0].strip() == "beacon 1.0.0 on local"
    assert any(line.split()[1:4] == ["current", "│", "✓"] for line in lines)
    assert any(line.split()[1:6] == ["state.json", "│", "✗", "│", "absent"] for line in lines)
    assert re.fullmatch("✗ beacon on local: [34] of 12 checks hold", lines[-1])
    assert "error: beacon on local breaks its contract" in done.stderr
    assert "found absent, expected beacon 1.0.0 under some manager, running" in done.stderr
    assert "looking at local" in done.stderr


def test_a_machine_gets_json_and_junit(project: Path) -> None:
    report = project / "report.xml"
    words = ["--host", "local", "--host", "nowhere", "--json", "--junit", str(report)]
    done = run(project, *words, "--prefix", str(project / "home"))
    assert done.exit_code == 9
    local, nowhere = json.loads(done.stdout)
    assert (local["host"], local["holds"], local["error"]) == ("local", False, None)
    assert {"name": "current", "holds": True} | {
        "found": "-> releases/1.0.0",
        "expected": "-> releases/1.0.0",
    } in local["checks"]
    assert (nowhere["host"], nowhere["holds"], nowhere["checks"]) == ("nowhere", False, [])
    assert nowhere["error"]["message"] == "'nowhere' names no host"
    suites = ElementTree.fromstring(report.read_text("utf-8"))
    assert [suite.get("name") for suite in suites] == ["local", "nowhere"]


def test_what_is_not_installed_is_one_clear_answer(project: Path) -> None:
    missing = str(project / "nothing")
    done = run(project, "--host", "local", "--prefix", missing)
    assert done.exit_code == 10
    assert done.stdout == ""
    assert "error: beacon is not installed on local" in done.stderr
    assert f"why: there is no {missing}" in done.stderr


def test_several_hosts_that_cannot_be_reached_are_all_named(project: Path) -> None:
    done = run(project, "--host", "here", "--host", "there")
    assert done.exit_code == 9
    assert "2 of 2 hosts could not be looked at" in done.stderr
    assert "'here' names no host" in done.stderr
    assert "'there' names no host" in done.stderr


def test_an_agent_that_there_is_not_is_named(project: Path) -> None:
    argv = ["verify", "glanses", "--project", str(project), "--host", "local"]
    done = CliRunner().invoke(main, argv)
    assert done.exit_code == 4
    assert "there is no agent called 'glanses'" in done.stderr


@pytest.mark.parametrize("prefix", ["beacon", "~/beacon", "/opt/../etc"])
def test_a_prefix_that_is_no_whole_path_is_refused(project: Path, prefix: str) -> None:
    done = run(project, "--host", "local", "--prefix", prefix)
    assert done.exit_code == 2
    assert "give the whole path" in done.stderr


def test_a_report_that_cannot_be_written_is_said_before_the_look(project: Path) -> None:
    report = project / "no-such-folder/report.xml"
    done = run(project, "--host", "local", "--junit", str(report))
    assert done.exit_code == 2
    assert "no-such-folder" in done.stderr


def test_a_pipe_gets_no_colours(project: Path) -> None:
    done = run(project, "--host", "local", "--prefix", str(project / "home"))
    assert "\x1b" not in done.stdout
