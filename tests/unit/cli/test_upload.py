import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.tarballs import write_release
from toolkit import engine
from toolkit.artifact import Artifact
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
STORES = """\
[stores.local]
type = "directory"
path = "served"
url = "http://127.0.0.1:8000"
"""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CDN_TYPE", "CDN_BUCKET", "CDN_PATH", "CDN_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the agent `beacon`, built, and a store."""
    write_release(tmp_path / "release/dist", Artifact("beacon", "1.0.0", None))
    (tmp_path / "release/beacon.toml").write_text(AGENT)
    (tmp_path / "toolkit.toml").write_text(STORES)
    return tmp_path


def run(project: Path, *words: str, **variables: str) -> Result:
    argv = ["upload", "beacon", "--project", str(project), *words]
    return CliRunner(env=variables).invoke(main, argv)


def test_a_person_sees_what_was_done_and_where_it_is(project: Path) -> None:
    done = run(project)
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["sent"] * 5
    assert lines[0][-1] == f"http://127.0.0.1:8000/{engine.build().name}"
    assert lines[1][-1] == "http://127.0.0.1:8000/beacon-v1.0.0.tar.gz"
    assert lines[1][-2] in (project / "served/beacon-v1.0.0.tar.gz.sha256").read_text()
    assert "reading back beacon-v1.0.0.tar.gz" in done.stderr


def test_a_second_run_says_unchanged(project: Path) -> None:
    run(project)
    done = run(project)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["unchanged"] * 5


def test_a_machine_gets_json_alone(project: Path) -> None:
    done = run(project, "1.0.0", "--to", "local", "--json")
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert (answer["name"], answer["version"], answer["store"]) == ("beacon", "1.0.0", "local")
    assert answer["files"][1] == {
        "action": "sent",
        "cache_control": "public, max-age=31536000, immutable",
        "content_type": "application/gzip",
        "key": "beacon-v1.0.0.tar.gz",
        "location": str(project / "served/beacon-v1.0.0.tar.gz"),
        "name": "beacon-v1.0.0.tar.gz",
        "precondition": "If-None-Match: *",
        "sha256": (project / "served/beacon-v1.0.0.tar.gz.sha256").read_text().split()[0],
        "size": (project / "served/beacon-v1.0.0.tar.gz").stat().st_size,
        "url": "http://127.0.0.1:8000/beacon-v1.0.0.tar.gz",
    }


def test_the_engine_is_published_as_it_is_built(project: Path) -> None:
    run(project)
    agentctl = engine.build()
    assert (project / "served" / agentctl.name).read_bytes() == agentctl.data


def test_by_hand_it_says_what_to_copy_where(project: Path) -> None:
    (project / "toolkit.toml").unlink()
    variables = {"CDN_TYPE": "custom", "CDN_PATH": "agents", "CDN_BASE_URL": "https://cdn.org"}
    done = run(project, **variables)
    assert done.exit_code == 0, done.output
    blocks = done.stdout.split("\n\n")
    assert blocks[2] == "\n".join(
        [
            f"  {project}/release/dist/beacon-v1.0.0.tar.gz",
            "    to             agents/beacon-v1.0.0.tar.gz",
            "    URL            https://cdn.org/agents/beacon-v1.0.0.tar.gz",
            "    Content-Type   application/gzip",
            "    Cache-Control  public, max-age=31536000, immutable",
            f"    SHA-256        {blocks[2].split()[-1]}",
        ]
    )
    sources = [block.splitlines()[0].strip() for block in blocks[1:-1]]
    assert len(sources) == 5
    assert all(Path(source).is_file() for source in sources)
    answer = json.loads(run(project, "--json", **variables).stdout)
    assert {file["action"] for file in answer["files"]} == {"copy"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--to", "locla"], 4, "did you mean local?"),
        (["9.9.9"], 4, "run `toolkit release beacon`"),
        (["--from", "/nonexistent"], 4, "run `toolkit release beacon`"),
    ],
)
def test_what_is_not_there_is_said(project: Path, words: list[str], code: int, said: str) -> None:
    done = run(project, *words)
    assert done.exit_code == code
    assert said in done.stderr
    assert not (project / "served").exists()


def test_a_tarball_that_changed_is_refused(project: Path) -> None:
    (project / "release/dist/beacon-v1.0.0.tar.gz").write_bytes(b"changed")
    done = run(project)
    assert done.exit_code == 12
    assert "beacon-v1.0.0.tar.gz is not what was released" in done.stderr
    assert not (project / "served").exists()


def test_a_version_that_was_published_otherwise_is_refused(project: Path) -> None:
    run(project)
    write_release(project / "release/dist", Artifact("beacon", "1.0.0", None), b"other\n")
    done = run(project)
    assert done.exit_code == 7
    assert "is there already, with other bytes" in done.stderr


def test_without_a_store_it_says_how_to_set_one_up(project: Path) -> None:
    (project / "toolkit.toml").unlink()
    done = run(project)
    assert done.exit_code == 3
    assert "write a toolkit.toml" in done.stderr


def test_a_plan_writes_nothing(project: Path) -> None:
    done = run(project, "--plan")
    assert done.exit_code == 0, done.output
    assert not (project / "served").exists()
    blocks = done.stdout.splitlines()
    size = (project / "release/dist/beacon-v1.0.0.tar.gz").stat().st_size
    assert blocks[6:12] == [
        "send  beacon-v1.0.0.tar.gz",
        f"    size           {size} bytes",
        f"    SHA-256        {blocks[8].split()[-1]}",
        "    Content-Type   application/gzip",
        "    Cache-Control  public, max-age=31536000, immutable",
        "    condition      If-None-Match: *",
    ]
    assert blocks[-1] == "Nothing was written."


def test_a_plan_says_what_is_there_and_what_stands_in_the_way(project: Path) -> None:
    run(project)
    answer = json.loads(run(project, "--plan", "--json").stdout)
    assert answer["plan"] is True
    assert {file["action"] for file in answer["files"]} == {"unchanged"}
    write_release(project / "release/dist", Artifact("beacon", "1.0.0", None), b"other\n")
    done = run(project, "--plan", "--json")
    assert done.exit_code == 7
    assert [file["action"] for file in json.loads(done.stdout)["files"]] == [
        "unchanged",
        "conflict",
        "conflict",
        "replaced",
        "replaced",
    ]


def test_a_plan_by_hand_writes_nothing(project: Path) -> None:
    (project / "toolkit.toml").unlink()
    before = sorted((project / "release/dist").iterdir())
    done = run(project, "--plan", CDN_TYPE="custom")
    assert done.exit_code == 0, done.output
    assert sorted((project / "release/dist").iterdir()) == before


def test_a_folder_has_no_acls(project: Path) -> None:
    done = run(project, "--acl", "public-read")
    assert done.exit_code == 3
    assert "this store has no ACLs" in done.stderr
