"""`toolkit release` on folders of plain files: what is packed, written, and left behind."""

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import BuildError, MissingToolError, NotFoundError, SecretFoundError
from toolkit.host.manifest import parse_manifest
from toolkit.host.release import parse_release
from toolkit.progress import Silent
from toolkit.release import Built, Settings, build, build_all
from toolkit.spec import AgentSpec, Platform

PLATFORMS: tuple[Platform, ...] = ("linux-x64", "linux-arm64")
Release = Callable[..., Built]


def agent(**changes: Any) -> AgentSpec:
    return AgentSpec.model_validate(
        {
            "name": "beacon",
            "title": "A beacon",
            "source": "src",
            "version": "1.2.0",
            "runtime": {"kind": "none"},
            "service": {"exec": ["{current}/run"]},
            **changes,
        }
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    source = tmp_path / "src"
    (source / "lib").mkdir(parents=True)
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o755)
    (source / "lib" / "a.txt").write_text("a")
    return tmp_path


@pytest.fixture
def release(project: Path) -> Release:
    def run(*, check: bool = False, **changes: Any) -> Built:
        return build(
            agent(**changes), "linux-x64", Settings(project, project / "out", check), Silent()
        )

    return run


def names(built: Built) -> list[str]:
    return [file.path for file in built.files]


def test_a_release_of_plain_files(release: Release, project: Path) -> None:
    built = release()
    assert names(built) == [
        ".env.example",
        "lib/a.txt",
        "run",
        "toolkit/release.json",
        "toolkit/units/beacon.service",
    ]
    assert [path.name for path in built.paths] == [
        "beacon-v1.2.0.tar.gz",
        "beacon-v1.2.0.tar.gz.sha256",
        "beacon-latest.tar.gz",
        "beacon-latest.tar.gz.sha256",
        "beacon-v1.2.0.tar.zst",
        "beacon-v1.2.0.tar.zst.sha256",
        "beacon-v1.2.0.cdx.json",
        "beacon-v1.2.0.intoto.json",
        "beacon-v1.2.0.release.json",
    ]
    assert sorted(project.joinpath("out").iterdir()) == sorted(built.paths)
    with tarfile.open(built.paths[0]) as tar:
        *_, last = tar.getmembers()
        assert last.name == "manifest.json"
        listed = tar.extractfile(last)
        described = tar.extractfile("toolkit/release.json")
        assert listed
        assert described
        assert parse_manifest(listed.read().decode()) == built.files
        assert parse_release(described.read().decode()).platform is None


def test_versioned_and_latest_are_the_same_bytes_with_their_checksums(release: Release) -> None:
    built = release()
    for tarball, checksum in (built.paths[:2], built.paths[2:4]):
        digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
        assert digest == built.sha256
        assert checksum.read_text() == f"{digest}  {tarball.name}\n"
        assert stat.S_IMODE(tarball.stat().st_mode) == 0o644
        assert tarball.stat().st_size == built.size


def test_check_does_everything_but_write(release: Release, project: Path) -> None:
    checked = release(check=True)
    assert checked.paths == ()
    assert not (project / "out").exists()
    assert checked.sha256 == release().sha256


def test_a_rebuild_says_whether_the_bytes_are_others(release: Release, project: Path) -> None:
    assert not release().replaced
    assert not release().replaced
    (project / "src" / "run").write_text("changed")
    again = release()
    assert again.replaced
    assert hashlib.sha256(again.paths[2].read_bytes()).hexdigest() == again.sha256


def test_times_and_private_modes_of_the_source_do_not_matter(
    release: Release, project: Path
) -> None:
    before = release().sha256
    for file in project.joinpath("src").rglob("*"):
        os.utime(file, (1, 1))
        file.chmod(0o700 if file.name != "a.txt" else 0o600)
    assert release().sha256 == before


def test_portable_bytes_are_built_once(project: Path) -> None:
    settings = Settings(project, project / "out")
    [built] = build_all(agent(), PLATFORMS, settings, Silent())
    assert built.artifact.platform is None


def test_an_agent_for_one_platform_says_so(project: Path) -> None:
    settings = Settings(project, project / "out")
    [built] = build_all(agent(platforms=["linux-arm64"]), PLATFORMS[1:], settings, Silent())
    assert built.artifact.tarball == "beacon-v1.2.0-linux-arm64.tar.gz"


def test_build_commands_run_in_a_copy_once_for_each_platform(project: Path) -> None:
    commands = [["sh", "-c", "echo $TOOLKIT_PLATFORM > built; rm lib/a.txt"]]
    settings = Settings(project, project / "out")
    spec = agent(build={"commands": commands})
    first, second = build_all(spec, PLATFORMS, settings, Silent())
    assert "built" in names(first)
    assert "lib/a.txt" not in names(first)
    assert first.sha256 != second.sha256
    assert second.artifact.platform == "linux-arm64"
    assert (project / "src" / "lib" / "a.txt").exists()
    assert not (project / "src" / "built").exists()


def test_include_and_exclude(release: Release, project: Path) -> None:
    (project / "src" / "lib" / "b.log").write_text("")
    built = release(build={"include": ["lib/**"], "exclude": ["**/*.log"]})
    assert [name for name in names(built) if not name.startswith(("toolkit/", ".env"))] == [
        "lib/a.txt"
    ]


def test_caches_and_outputs_are_never_packed(release: Release, project: Path) -> None:
    for name in (".git/HEAD", "lib/__pycache__/a.pyc", ".venv/x", "node_modules/x/index.js"):
        file = project / "src" / name
        file.parent.mkdir(parents=True)
        file.write_text("x")
    (project / "release" / "dist").mkdir(parents=True)
    (project / "release" / "dist" / "old.tar.gz").write_text("x")
    assert len(names(release())) == 5
    assert not [n for n in names(release(source=".")) if n.startswith(("out/", "release/dist"))]


def test_secrets_stop_the_build_and_write_nothing(release: Release, project: Path) -> None:
    (project / "src" / ".env").write_text("TOKEN=1")
    (project / "src" / "lib" / "notes.txt").write_text("see AKIA" + "IOSFODNN7EXAMPLE")
    with pytest.raises(SecretFoundError) as caught:
        release()
    assert ".env: an environment file" in caught.value.why
    assert "lib/notes.txt: an access key of AWS" in caught.value.why
    assert not (project / "out").exists()


def test_what_is_excluded_or_allowed_is_no_leak(release: Release, project: Path) -> None:
    (project / "src" / ".env").write_text("TOKEN=1")
    (project / "src" / "test.key").write_text("for tests")
    built = release(build={"exclude": [".env"], "allow_secrets": ["*.key"]})
    assert "test.key" in names(built)
    assert ".env" not in names(built)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_out_of_the_source_stops_the_build(
    target: str, release: Release, project: Path
) -> None:
    (project / "src" / "out").symlink_to(target)
    with pytest.raises(BuildError, match="leads out of the release"):
        release()


def test_links_are_packed_as_links_and_never_followed(release: Release, project: Path) -> None:
    (project / "src" / "folder").symlink_to("lib")
    assert "folder" in names(release())
    assert "folder/a.txt" not in names(release())


@pytest.mark.parametrize("path", ["toolkit/x", "manifest.json", "venv/x", "wheels/x", "runtime/x"])
def test_names_that_toolkit_needs_stop_the_build(
    path: str, release: Release, project: Path
) -> None:
    file = project / "src" / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    with pytest.raises(BuildError, match="where toolkit puts files of its own"):
        release()


def test_an_env_example_of_its_own_stops_the_build(release: Release, project: Path) -> None:
    (project / "src" / ".env.example").write_text("A=1")
    with pytest.raises(BuildError, match="would stand in the release twice") as caught:
        release()
    assert "the source folder" in caught.value.why


def test_a_pipe_in_the_source_stops_the_build(release: Release, project: Path) -> None:
    os.mkfifo(project / "src" / "pipe")
    with pytest.raises(BuildError, match="no file, folder or link"):
        release()


def test_a_source_that_is_not_there(release: Release) -> None:
    with pytest.raises(NotFoundError, match="no source folder"):
        release(source="nowhere")


def test_a_failing_build_command_shows_the_end_of_its_output(release: Release) -> None:
    with pytest.raises(BuildError, match="could not build beacon") as caught:
        release(build={"commands": [["sh", "-c", "echo broken here >&2; exit 3"]]})
    assert caught.value.why.splitlines() == ["sh ended with 3", "broken here"]


def test_a_program_that_is_missing(release: Release) -> None:
    with pytest.raises(MissingToolError, match="no no-such-tool on this machine can be run"):
        release(build={"commands": [["no-such-tool"]]})


class Interrupted(Silent):
    """Ctrl-C, while the tarball is written."""

    def advance(self, amount: int = 1) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_leaves_nothing_half_done(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    settings = Settings(project, project / "out")
    whole = build(agent(), "linux-x64", settings, Silent())
    (project / "src" / "run").write_text("changed")
    with pytest.raises(KeyboardInterrupt):
        build(agent(), "linux-x64", settings, Interrupted())
    assert sorted(project.joinpath("out").iterdir()) == sorted(whole.paths)
    assert hashlib.sha256(whole.paths[0].read_bytes()).hexdigest() == whole.sha256
    assert list(scratch.iterdir()) == []
