import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from toolkit.cli import main


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "toolkit.toml").write_text('[stores.local]\ntype = "directory"\npath = "served"\n')
    return tmp_path


def run(project: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--project", str(project), *words])


def test_a_person_sees_each_probe_and_what_follows(project: Path) -> None:
    done = run(project)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["ok", "only", "where", "absent", "honoured"]
    assert lines[2].strip() == "-> two publishers at once lose nothing"
    assert list((project / "served").rglob("*.tar.gz")) == []


def test_a_machine_gets_json(project: Path) -> None:
    answer = json.loads(run(project, "--to", "local", "--json").stdout)
    assert answer["store"] == "local"
    assert answer["probes"][0]["probe"] == "reach"
    assert {row["health"] for row in answer["probes"]} <= {"ok", "note"}


def test_what_keeps_a_publication_from_working_exits_with_7(project: Path) -> None:
    (project / "served").write_text("no folder")
    done = run(project)
    assert done.exit_code == 7
    assert "bad" in done.stdout
