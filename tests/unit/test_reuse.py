"""A second `toolkit release`: nothing is done twice, and nothing is taken that is not the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import fake_npm
from toolkit.progress import Silent
from toolkit.release import Built, Settings, build
from toolkit.spec import AgentSpec

NODE: dict[str, Any] = {"kind": "node", "version": "24.0.0", "bundled": False}
HASH = "sha512-x"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake_npm.install(tmp_path / "programs", monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "run").write_text("#!/bin/sh\n")
    write_lock(project, "1", HASH)
    return project


def write_lock(project: Path, content: str, integrity: str | None) -> None:
    folder = project / "release" / "locks" / "agent"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text("{}")
    tool = {"version": "1.0.0", "files": {"index.js": content}, "integrity": integrity}
    lock = {"packages": {"": {}, "node_modules/tool": tool}}
    (folder / "package-lock.json").write_text(json.dumps(lock, indent=1))


def release(project: Path, *, zstd: bool = True, check: bool = False, **changes: Any) -> Built:
    spec = AgentSpec.model_validate(
        {
            "name": "agent",
            "title": "An agent",
            "source": "npm:tool@1.0.0",
            "runtime": NODE,
            "service": {"exec": ["{node}", "index.js"]},
            **changes,
        }
    )
    settings = Settings(project, project / "out", check, cache=project.parent / "cache", zstd=zstd)
    return build(spec, "linux-x64", settings, Silent())


def plain(project: Path, **changes: Any) -> Built:
    changes = {"source": "src", "version": "1.0.0", "runtime": {"kind": "none"}, **changes}
    return release(project, service={"exec": ["{current}/run"]}, **changes)


def calls(project: Path) -> list[str]:
    return (project.parent / "programs" / "calls").read_text().split()


def contents(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "out").iterdir()}


def test_nothing_is_done_twice(project: Path) -> None:
    first = release(project)
    before = contents(project)
    second = release(project)
    assert (first.reused, second.reused, second.replaced) == (False, True, False)
    assert calls(project) == ["ci", "sbom"]
    assert contents(project) == before
    assert (second.sha256, second.files, second.paths, second.tar, second.zstd) == (
        *(first.sha256, first.files, first.paths, first.tar, first.zstd),
    )


def test_one_line_of_the_lock_builds_anew(project: Path) -> None:
    first = release(project)
    write_lock(project, "2", HASH)
    second = release(project)
    assert not second.reused
    assert second.sha256 != first.sha256
    assert calls(project) == ["ci", "sbom"] * 2


def test_packages_stay_in_the_cache_when_only_the_agent_changes(project: Path) -> None:
    release(project)
    assert not release(project, title="Another title").reused
    assert calls(project) == ["ci", "sbom"]


def test_packages_without_a_hash_are_never_kept(project: Path) -> None:
    write_lock(project, "1", None)
    release(project)
    release(project, title="Another title")
    assert calls(project) == ["ci", "sbom"] * 2


def test_a_damaged_cache_does_no_harm(project: Path) -> None:
    first = release(project)
    [kept] = (project.parent / "cache" / "builds").glob("npm-*/tree/node_modules/tool/index.js")
    kept.write_text("changed")
    shutil.rmtree(project / "out")
    second = release(project)
    assert (second.sha256, second.reused) == (first.sha256, False)
    assert calls(project) == ["ci", "sbom"] * 2


def change(file: Path) -> None:
    data = file.read_bytes()
    file.unlink()  # the latest twin is the same file
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def cut(file: Path) -> None:
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data[:-1])


@pytest.mark.parametrize("name", ["agent-v1.0.0.tar.gz", "agent-v1.0.0.tar.zst"])
@pytest.mark.parametrize("damage", [change, cut, Path.unlink])
def test_a_tarball_is_not_trusted_by_its_name(
    project: Path, name: str, damage: Callable[[Path], None]
) -> None:
    release(project)
    before = contents(project)
    damage(project / "out" / name)
    assert not release(project).reused
    assert contents(project) == before


@pytest.mark.parametrize(
    "name",
    [
        "agent-latest.tar.gz",
        "agent-latest.tar.gz.sha256",
        "agent-v1.0.0.tar.gz.sha256",
        "agent-v1.0.0.cdx.json",
        "agent-v1.0.0.intoto.json",
        "agent-v1.0.0.release.json",
    ],
)
@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_small_files_are_written_again(
    project: Path, name: str, damage: Callable[[Path], None]
) -> None:
    release(project)
    before = contents(project)
    damage(project / "out" / name)
    assert release(project).reused
    assert contents(project) == before


def test_latest_follows_the_version_that_was_built_last(project: Path) -> None:
    first = plain(project)
    (project / "src" / "run").write_text("#!/bin/sh\ntrue\n")
    plain(project, version="2.0.0")
    (project / "src" / "run").write_text("#!/bin/sh\n")
    again = plain(project)
    assert again.reused
    assert contents(project)["agent-latest.tar.gz"] == first.paths[0].read_bytes()


def test_a_source_folder_is_read_each_time(project: Path) -> None:
    first = plain(project)
    assert plain(project).reused
    (project / "src" / "run").write_text("#!/bin/sh\ntrue\n")
    second = plain(project)
    assert (second.reused, second.replaced) == (False, True)
    (project / "src" / "run").chmod(0o755)
    assert plain(project).sha256 not in {first.sha256, second.sha256}


def test_commands_of_the_source_run_each_time(project: Path) -> None:
    commands = {"commands": [["sh", "-c", "date +%N > now"]]}
    first = plain(project, build=commands)
    second = plain(project, build=commands)
    assert not second.reused
    assert first.sha256 != second.sha256


def test_without_zstd_none_of_other_bytes_is_left(project: Path) -> None:
    plain(project)
    (project / "src" / "run").write_text("#!/bin/sh\ntrue\n")
    built = plain(project, zstd=False)
    assert built.zstd is None
    assert not [name for name in contents(project) if ".tar.zst" in name]
    assert plain(project).zstd is not None


def test_a_check_looks_for_itself(project: Path) -> None:
    first = plain(project)
    checked = plain(project, check=True)
    assert (checked.reused, checked.sha256, checked.paths) == (False, first.sha256, ())
