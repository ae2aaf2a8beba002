"""A Python agent that needs other packages of its project: built along, the same bytes twice."""

from __future__ import annotations

import tarfile
from pathlib import Path

import aiwm_controller
import pytest
import xora_agent

from tests.support.releases import TOP
from toolkit.config import parse_agent
from toolkit.errors import SecretFoundError
from toolkit.lock import Settings as LockSettings
from toolkit.lock import lock
from toolkit.progress import Silent
from toolkit.release import Built, Settings, build
from toolkit.spec import AgentSpec

pytestmark = pytest.mark.network

PACKAGE = """[project]
name = "{name}"
version = "1.0.0"
requires-python = ">=3.10"
dependencies = {needs}
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
SPEC = AgentSpec.model_validate(
    {
        "name": "agent",
        "title": "An agent",
        "source": "app",
        "version": "1.0.0",
        "build": {"local": ["shared"]},
        "runtime": {"kind": "python", "minimum": "3.13"},
        "service": {"exec": ["{python}", "-m", "app"]},
    }
)


def package(folder: Path, name: str, *needs: str) -> None:
    module = folder / name.replace("-", "_")
    module.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PACKAGE.format(name=name, needs=list(needs)), "utf-8")
    (module / "__init__.py").write_text("", "utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    package(folder / "app", "app", "shared-words")
    package(folder / "shared", "shared-words")
    list(lock(SPEC, LockSettings(folder), Silent()))
    return folder


def built(project: Path, out: Path) -> Built:
    return build(SPEC, "linux-x64", Settings(project, out, zstd=False), Silent())


def test_both_wheels_are_in_the_release_and_two_builds_are_the_same(
    project: Path, tmp_path: Path
) -> None:
    first, second = (built(project, tmp_path / name) for name in ("one", "two"))
    assert first.sha256 == second.sha256
    assert first.artifact.platform is None  # no byte of it depends on a platform
    with tarfile.open(tmp_path / "one" / first.artifact.tarball) as archive:
        listed = archive.extractfile("wheels/py3.13.txt")
        assert listed is not None
        assert listed.read().decode().split() == [
            "app-1.0.0-py3-none-any.whl",
            "shared_words-1.0.0-py3-none-any.whl",
        ]


def test_a_change_in_the_other_package_is_another_release(project: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    settings = Settings(project, tmp_path / "out", zstd=False, cache=cache)
    first = build(SPEC, "linux-x64", settings, Silent())
    assert build(SPEC, "linux-x64", settings, Silent()).reused
    (project / "shared" / "shared_words" / "more.py").write_text("WORD = 1\n", "utf-8")
    changed = build(SPEC, "linux-x64", settings, Silent())
    assert not changed.reused
    assert changed.sha256 != first.sha256


def test_a_secret_in_the_other_package_stops_the_build(project: Path, tmp_path: Path) -> None:
    (project / "shared" / "shared_words" / ".env").write_text("TOKEN=abc\n", "utf-8")
    with pytest.raises(SecretFoundError):
        built(project, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("aiwm-controller", aiwm_controller.__version__),
        ("xora-cc-agent", xora_agent.__version__),
        ("xora-vercel-agent", xora_agent.__version__),
    ],
)
def test_our_releases_have_the_version_that_their_package_says(name: str, version: str) -> None:
    # An upgrade stays once heartbeats with the release's own version have come.
    text = (TOP / "release" / f"{name}.toml").read_text("utf-8")
    assert parse_agent(text, file=name).release_version == version
