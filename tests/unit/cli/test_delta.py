"""Deltas from the versions that a channel had, by the store's metadata."""

import random
from pathlib import Path

import pytest

from tests.support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with keys that has built 0.8.0, 0.9.0 and 1.0.0; stable has had the outer two."""
    project = make_project(tmp_path)
    (tmp_path / "beacon").mkdir()
    (tmp_path / "beacon/beacon").write_text("#!/bin/sh\n")
    (tmp_path / "beacon/data").write_bytes(random.Random(1).randbytes(200_000))
    project.run("keys", "init", "--agent", "beacon")
    for version in ("0.8.0", "0.9.0", "1.0.0"):
        build(project, version)
        project.run("upload", "beacon", version, passphrase=None)
    for version in ("1.0.0", "0.8.0"):
        project.run("promote", "beacon", version, "--channel", "stable", passphrase=None)
    return project


def build(project: Project, version: str) -> None:
    file = project.folder / "release/beacon.toml"
    lines = file.read_text().splitlines()
    lines = [f'version = "{version}"' if line.startswith("version =") else line for line in lines]
    file.write_text("\n".join(lines) + "\n")
    project.run("release", "beacon", "--no-cache", "--no-zstd", passphrase=None)


def test_the_last_versions_of_a_channel_come_first(project: Project) -> None:
    build(project, "1.1.0")
    words = ("delta", "beacon", "1.1.0", "--channel")
    made = project.json(*words, "stable", "--last", "1")
    assert [one["from"] for one in made] == ["0.8.0"]
    assert [one["from"] for one in project.json(*words, "stable")] == ["0.8.0", "1.0.0"]
    done = project.run(*words, "beta", code=4, passphrase=None)
    assert "no channel 'beta'" in done.output
    done = project.run(*words, "stable", "--base", "1.0.0", code=2, passphrase=None)
    assert "--base" in done.output
