"""`toolkit reproduce`: the same bytes from the recorded commit, or which file differs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.need import need_command
from toolkit.cli import main
from toolkit.config import parse_agent
from toolkit.progress import Silent
from toolkit.release import Built, Settings, build_all

AGENT = """
name = "beacon"
title = "A beacon"
source = "src"
version = "1.0.0"
runtime.kind = "none"
service.exec = ["{current}/run"]
"""


def git(project: Path, *words: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com"]
    argv = ["git", "-C", str(project), *identity, *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=["", "sub"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    need_command("git")
    project = tmp_path / "repository" / str(request.param)
    (project / "src").mkdir(parents=True)
    (project / "release").mkdir()
    (project / "src" / "run").write_text("#!/bin/sh\n")
    (project / "release" / "beacon.toml").write_text(AGENT)
    git(project, "init", "--quiet", str(tmp_path / "repository"))
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "one")
    return project


def release(project: Path) -> Built:
    file = project / "release" / "beacon.toml"
    spec = parse_agent(file.read_text(), file="beacon.toml")
    settings = Settings(project, project / "release" / "dist")
    [built] = build_all(spec, ["linux-x64", "linux-arm64"], settings, Silent())
    return built


def reproduce(project: Path, *words: str) -> Result:
    options = ["--project", str(project), *words]
    return CliRunner().invoke(main, ["reproduce", "beacon", "1.0.0", *options])


def test_the_recorded_commit_gives_the_same_bytes(project: Path) -> None:
    built = release(project)
    commit = git(project, "rev-parse", "HEAD").strip()
    (project / "src" / "run").write_text("#!/bin/sh\ntrue\n")
    git(project, "commit", "--quiet", "-am", "two")
    done = reproduce(project, "--json")
    assert done.exit_code == 0, done.output
    [row] = json.loads(done.output)
    assert row["commit"] == commit
    assert row["files"]["beacon-v1.0.0.tar.gz"] == built.sha256
    assert set(row["files"]) == {
        f"beacon-v1.0.0.{end}" for end in ("tar.gz", "tar.zst", "cdx.json")
    }
    assert "with the same bytes" in reproduce(project).output
    assert "worktree" not in git(project, "worktree", "list", "--porcelain").split("\n", 1)[1]


def test_it_says_which_files_differ(project: Path) -> None:
    (project / "src" / "run").write_text("#!/bin/sh\ntrue\n")
    (project / "src" / "more").write_text("")
    release(project)
    done = reproduce(project)
    assert done.exit_code == 12
    assert "was built again, and has other bytes" in done.output
    assert "in it, run differs" in done.output
    assert "in it, more is gone" in done.output
    assert "files that differed from the commit" in done.output


def test_a_tarball_that_was_changed_later_is_not_compared_by_its_files(project: Path) -> None:
    (project / "src" / "run").write_text("#!/bin/sh\ntrue\n")
    built = release(project)
    built.paths[0].write_bytes(b"other")
    done = reproduce(project)
    assert done.exit_code == 12
    assert "is not at hand" in done.output


def test_another_version_at_that_commit(project: Path) -> None:
    file = project / "release" / "beacon.toml"
    file.write_text(AGENT.replace("1.0.0", "2.0.0"))
    release(project)
    done = CliRunner().invoke(main, ["reproduce", "beacon", "2.0.0", "--project", str(project)])
    assert done.exit_code == 12
    assert "beacon is 1.0.0, and not 2.0.0" in done.output


def test_one_provenance_may_be_named(project: Path, tmp_path: Path) -> None:
    release(project)
    file = tmp_path / "p.json"
    (project / "release" / "dist" / "beacon-v1.0.0.intoto.json").rename(file)
    assert reproduce(project, "--provenance", str(file)).exit_code == 0
    missing = reproduce(project)
    assert missing.exit_code == 4
    assert "there is no provenance of beacon 1.0.0" in missing.output
    words = ["reproduce", "other", "1.0.0", "--provenance", str(file), "--project", str(project)]
    assert CliRunner().invoke(main, words).exit_code == 4


def test_a_commit_that_is_not_here(project: Path) -> None:
    release(project)
    file = project / "release" / "dist" / "beacon-v1.0.0.intoto.json"
    commit = git(project, "rev-parse", "HEAD").strip()
    file.write_text(file.read_text().replace(commit, "12" * 20))
    done = reproduce(project)
    assert done.exit_code == 4
    assert "git fetch" in done.output


def test_a_release_from_no_repository(project: Path, tmp_path: Path) -> None:
    release(project)
    file = project / "release" / "dist" / "beacon-v1.0.0.intoto.json"
    data = json.loads(file.read_text())
    data["predicate"]["buildDefinition"]["resolvedDependencies"] = []
    file.write_text(json.dumps(data))
    done = reproduce(project)
    assert done.exit_code == 4
    assert "names no commit" in done.output
