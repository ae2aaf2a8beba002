"""Deltas: made from two tarballs, applied to an installed release, refused for any fault."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd
from click.testing import CliRunner

from toolkit.cli import main
from toolkit.delta import Made, Wanted, make_deltas, version_order
from toolkit.errors import IntegrityError, NotFoundError
from toolkit.host import decompress
from toolkit.host import delta as host
from toolkit.host.delta import Delta, DeltaUnusable, apply, check_usable, parse_delta
from toolkit.host.files import remove_tree
from toolkit.host.tarwriter import Digest
from toolkit.host.unpack import seal, unpack
from toolkit.progress import Silent
from toolkit.record import parse_description
from toolkit.release import Settings, build
from toolkit.spec import AgentSpec

LONG = "a-folder-with-a-name/" * 6 + "ünïcode.txt"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    source = tmp_path / "src"
    (source / LONG).parent.mkdir(parents=True)
    (source / LONG).write_text("far down")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o755)
    (source / "lib.so").symlink_to("run")
    (source / "runtime.bin").write_bytes(random.Random(1).randbytes(400_000))
    release(tmp_path, "1.0.0")
    (source / "run").write_text("#!/bin/sh\n# a small change\n")
    (source / "new").write_text("")
    release(tmp_path, "1.0.1")
    return tmp_path


def release(project: Path, version: str, *, epoch: int = 315532800) -> None:
    spec = AgentSpec.model_validate(
        {
            "name": "agent",
            "title": "An agent",
            "source": "src",
            "version": version,
            "runtime": {"kind": "none"},
            "service": {"exec": ["{current}/run"]},
        }
    )
    build(spec, "linux-x64", Settings(project, project / "out", epoch=epoch), Silent())


def make(project: Path, version: str = "1.0.1", *bases: str, last: int = 3) -> list[Made]:
    return list(make_deltas(Wanted("agent", version, bases, last), project / "out", Silent()))


@pytest.fixture
def made(project: Path) -> Made:
    [made] = make(project)
    return made


@pytest.fixture
def installed(project: Path) -> Path:
    """The old release as agentctl leaves it: sealed, with files of the host's own beside."""
    folder = project / "releases" / "1.0.0"
    folder.parent.mkdir()
    unpack(project / "out" / "agent-v1.0.0.tar.gz", folder)
    (folder / "venv" / "bin").mkdir(parents=True)
    (folder / "venv" / "bin" / "python").write_text("")
    seal(folder)
    (folder / ".complete").write_text("x")
    return folder


@pytest.fixture(params=["program", "library"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "library":
        monkeypatch.setattr(decompress, "_program", lambda: None)
        monkeypatch.setattr(decompress, "_library", lambda: zstd)


def file_of(made: Made) -> Path:
    assert made.path
    return made.path


def new_tar(project: Path) -> Digest:
    text = (project / "out" / "agent-v1.0.1.release.json").read_text()
    return parse_description(text, file="x").tar


@pytest.mark.usefixtures("way")
def test_an_installed_release_becomes_the_new_tar(
    project: Path, made: Made, installed: Path
) -> None:
    target = project / "new.tar"
    check_usable(made.delta)
    apply(made.delta, file_of(made), installed, target)
    assert target.stat().st_size == made.delta.tar.size == new_tar(project).size
    assert made.delta.file.size < made.whole / 100
    assert sorted(path.name for path in project.iterdir()) == ["new.tar", "out", "releases", "src"]


def test_the_time_of_files_is_part_of_it(project: Path, installed: Path) -> None:
    remove_tree(installed)
    for file in (project / "out").glob("agent-v1.0.0*"):
        file.unlink()
    release(project, "1.0.0", epoch=1_700_000_000)
    unpack(project / "out" / "agent-v1.0.0.tar.gz", installed)
    [made] = make(project)
    assert made.delta.base.epoch == 1_700_000_000
    apply(made.delta, file_of(made), installed, project / "new.tar")


def test_what_stands_beside_it_describes_it(made: Made) -> None:
    text = file_of(made).with_name(f"{file_of(made).name}.json").read_text()
    assert parse_delta(json.loads(text)) == made.delta
    assert file_of(made).name == "agent-v1.0.1.from-v1.0.0.tar.zst"


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema": 9}', '{"schema": 1, "from": 1}'])
def test_a_description_that_is_none(text: str) -> None:
    with pytest.raises(DeltaUnusable):
        parse_delta(json.loads(text))


def change_content(folder: Path) -> None:
    file = folder / "run"
    file.chmod(0o755)
    file.write_bytes(b"#!/bin/SH\n")


def remove(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "run").unlink()


def put_link(folder: Path) -> None:
    remove(folder)
    (folder / "run").symlink_to("/etc/hostname")


def put_pipe(folder: Path) -> None:
    remove(folder)
    os.mkfifo(folder / "run")


def put_device(folder: Path) -> None:
    remove(folder)
    (folder / "run").symlink_to("/dev/zero")


def grow(folder: Path) -> None:
    change_content(folder)
    with (folder / "run").open("ab") as file:
        file.write(b"more")


def break_manifest(folder: Path) -> None:
    file = folder / "manifest.json"
    file.chmod(0o644)
    file.write_text("[]")


def change_manifest(folder: Path) -> None:
    file = folder / "manifest.json"
    file.chmod(0o644)
    file.write_text(file.read_text().replace("0755", "0644"))


FAULTS = [
    *(change_content, remove, put_link, put_pipe, put_device, grow),
    *(break_manifest, change_manifest, shutil.rmtree),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_installed_release_that_was_changed(
    project: Path, made: Made, installed: Path, fault: Callable[[Path], None]
) -> None:
    fault(installed)
    refused(project, made, made.delta, installed)


def refused(project: Path, made: Made, delta: Delta, installed: Path) -> str:
    before = sorted(path.name for path in project.iterdir())
    with pytest.raises(DeltaUnusable) as caught:
        apply(delta, file_of(made), installed, project / "new.tar")
    assert sorted(path.name for path in project.iterdir()) == before
    return caught.value.message


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("at", [0, 40, -30])
def test_a_delta_that_was_changed(project: Path, made: Made, installed: Path, at: int) -> None:
    data = bytearray(file_of(made).read_bytes())
    data[at] ^= 1
    file_of(made).write_bytes(data)
    refused(project, made, made.delta, installed)


@pytest.mark.usefixtures("way")
def test_a_delta_that_makes_something_else(project: Path, made: Made, installed: Path) -> None:
    other = replace(made.delta, tar=replace(made.delta.tar, sha256="ab" * 32))
    assert "did not make" in refused(project, made, other, installed)
    small = replace(made.delta, tar=replace(made.delta.tar, size=150_000))
    assert "more than it should" in refused(project, made, small, installed)


def test_a_full_disk_is_no_more_than_a_reason(
    project: Path, made: Made, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(host, "rebuild", full)
    assert "No space left" in refused(project, made, made.delta, installed)


def test_hosts_that_cannot_apply_one(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_available_memory", lambda: 10 << 20)
    with pytest.raises(DeltaUnusable, match="MB are free"):
        check_usable(made.delta)
    monkeypatch.setattr(host, "can_zstd", lambda: False)
    with pytest.raises(DeltaUnusable, match="no zstd"):
        check_usable(made.delta)


def test_versions_are_taken_newest_first(project: Path) -> None:
    for version in ("1.0.2", "1.0.10", "0.9.0", "1.0.10-rc1"):
        release(project, version)
    assert [m.delta.base.version for m in make(project, "1.0.10")] == [
        *("1.0.10-rc1", "1.0.2", "1.0.1"),
    ]
    assert [m.delta.base.version for m in make(project, "1.0.10", last=1)] == ["1.0.10-rc1"]
    assert [m.delta.base.version for m in make(project, "1.0.2", "0.9.0")] == ["0.9.0"]
    assert make(project, "0.9.0") == []


def test_versions_of_a_channel_are_taken_as_it_had_them(project: Path) -> None:
    release(project, "0.9.0")
    dist = project / "out"
    wanted = Wanted("agent", "1.0.1", last=2, recent=("1.0.1", "9.9", "0.9.0", "1.0.0"))
    made = list(make_deltas(wanted, dist, Silent()))
    assert [each.delta.base.version for each in made] == ["0.9.0", "1.0.0"]
    assert list(make_deltas(replace(wanted, recent=()), dist, Silent())) == []


def test_the_order_of_versions() -> None:
    versions = ["0.9", "1.0-alpha", "1.0-rc1", "1.0-rc2", "1.0", "1.0.1", "1.2", "1.10", "2.0"]
    mixed = random.Random(1).sample(versions, len(versions))
    assert sorted(mixed, key=version_order) == versions


def test_no_delta_where_it_would_not_be_small(project: Path) -> None:
    (project / "src" / "runtime.bin").write_bytes(random.Random(2).randbytes(400_000))
    release(project, "1.1.0")
    [*made] = make(project, "1.1.0")
    assert {m.path for m in made} == {None}
    assert not list((project / "out").glob("agent-v1.1.0.from*"))


def test_versions_that_are_not_there(project: Path) -> None:
    for wanted in (("2.0.0",), ("1.0.1", "0.1.0")):
        with pytest.raises(NotFoundError, match="is not in"):
            make(project, *wanted)


@pytest.mark.parametrize("version", ["1.0.0", "1.0.1"])
def test_a_tarball_that_was_changed(project: Path, version: str) -> None:
    other = "1.0.1" if version == "1.0.0" else "1.0.0"
    out = project / "out"
    shutil.copy(out / f"agent-v{other}.tar.gz", out / f"agent-v{version}.tar.gz")
    with pytest.raises(IntegrityError, match="is not what was released"):
        make(project)
    (out / f"agent-v{version}.tar.gz").write_bytes(b"no tarball")
    with pytest.raises(IntegrityError, match="can't be read"):
        make(project)


def test_the_command(project: Path) -> None:
    words = ["delta", "agent", "1.0.1", "--from", str(project / "out")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    assert "agent-v1.0.1.from-v1.0.0.tar.zst" in shown.output
    [row] = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)
    assert (row["from"], row["size"]) == ("1.0.0", Path(row["path"]).stat().st_size)
