"""`toolkit bundle`: the same bytes each time, and nothing that a host would not take."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.project import Project, make_project
from tests.support.tarballs import write_release
from toolkit import engine
from toolkit.artifact import Artifact
from toolkit.bundle import Signed, from_store
from toolkit.cli.options import load_agent
from toolkit.errors import TrustError
from toolkit.host.bundled import CONTENTS, parse_contents
from toolkit.install_script import Choices
from toolkit.store import DirectoryStore


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture
def project(bare: Project) -> Project:
    """A store with signed metadata, and a version in it."""
    bare.run("keys", "init", "--agent", "beacon")
    bare.release("1.0.0")
    return bare


def bundle(project: Project, out: Path, *words: str, code: int = 0) -> str:
    done = project.run("bundle", "beacon", *words, "--out", str(out), code=code, passphrase=None)
    return done.stdout + done.stderr


def files(bundle: Path) -> Mapping[str, bytes]:
    with tarfile.open(bundle, "r:") as tar:
        return {info.name: tar.extractfile(info).read() for info in tar if info.isreg()}  # type: ignore[union-attr]


def test_a_bundle_of_a_signed_store_has_what_leads_to_the_release(
    project: Project, tmp_path: Path
) -> None:
    said = bundle(project, tmp_path / "b.tar", "1.0.0")
    assert "Hosts take it until" in said
    found = files(tmp_path / "b.tar")
    metadata = sorted(name for name in found if name.startswith("metadata/"))
    assert metadata[0] == "metadata/1.root.json"
    assert {name.split(".")[-2] for name in metadata} == {
        "root",
        "snapshot",
        "targets",
        "beacon",
    } | {"metadata/timestamp"}
    for name in (*metadata, "beacon-v1.0.0.tar.gz"):
        assert found[name] == (project.served / name).read_bytes()
    assert found[engine.build().name] == engine.build().data
    assert b"readonly ROOT=" in found["install-beacon.sh"]
    contents = parse_contents(found[CONTENTS])
    assert (contents.name, contents.version, contents.platforms) == ("beacon", "1.0.0", ("any",))
    assert {each.path for each in contents.files} == set(found) - {CONTENTS}
    for each in contents.files:
        assert hashlib.sha256(found[each.path]).hexdigest() == each.sha256
    assert list(found)[:2] == [CONTENTS, engine.build().name]


def test_it_is_the_same_each_time(project: Project, tmp_path: Path) -> None:
    bundle(project, tmp_path / "one.tar")
    bundle(project, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert {(info.mtime, info.uid, info.gid, info.uname) for info in tar} == {
            (315532800, 0, 0, "")
        }


def test_an_older_version_is_bundled_too(project: Project, tmp_path: Path) -> None:
    project.release("1.1.0")
    bundle(project, tmp_path / "b.tar", "1.0.0", "--channel", "stable")
    found = files(tmp_path / "b.tar")
    assert "beacon-v1.0.0.tar.gz" in found
    assert "beacon-v1.1.0.tar.gz" not in found
    assert b"readonly CHANNEL=stable" in found["install-beacon.sh"]


def test_without_signed_metadata_the_script_pins_what_was_built(
    bare: Project, tmp_path: Path
) -> None:
    bare.release("1.0.0")
    done = bare.json("bundle", "beacon", "--out", str(tmp_path / "b.tar"))
    assert done["until"] is None
    assert done["size"] == (tmp_path / "b.tar").stat().st_size
    assert done["sha256"] == hashlib.sha256((tmp_path / "b.tar").read_bytes()).hexdigest()
    found = files(tmp_path / "b.tar")
    sha256 = hashlib.sha256(found["beacon-v1.0.0.tar.gz"]).hexdigest()
    assert sha256.encode() in found["install-beacon.sh"]
    assert not any(name.startswith("metadata/") for name in found)


@pytest.mark.parametrize("words", [("2.0.0",), ("2.0.0", "--platform", "linux-x64")])
def test_a_version_that_was_not_released(
    words: tuple[str, ...], project: Project, bare: Project, tmp_path: Path
) -> None:
    said = bundle(project, tmp_path / "b.tar", *words, code=4)
    assert "toolkit releases beacon" in said
    assert not (tmp_path / "b.tar").exists()


def test_a_platform_that_was_not_released(bare: Project, tmp_path: Path) -> None:
    bare.run("keys", "init", "--agent", "beacon")
    dist = bare.folder / "release/dist"
    write_release(dist, Artifact("beacon", "1.0.0", "linux-x64"))
    bare.run("upload", "beacon", "1.0.0", passphrase=None)
    said = bundle(bare, tmp_path / "b.tar", "--platform", "linux-arm64", code=4)
    assert "what is there is for linux-x64" in said
    bundle(bare, tmp_path / "b.tar", "--platform", "linux-x64")
    assert parse_contents(files(tmp_path / "b.tar")[CONTENTS]).platforms == ("linux-x64",)


def test_what_was_taken_back_is_not_bundled(project: Project, tmp_path: Path) -> None:
    project.run("yank", "beacon", "1.0.0", "--reason", "it leaks", passphrase=None)
    assert "it leaks" in bundle(project, tmp_path / "b.tar", code=13)


def test_a_tarball_that_was_changed_in_the_store(project: Project, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(b"before")
    tarball = project.served / "beacon-v1.0.0.tar.gz"
    data = bytearray(tarball.read_bytes())
    data[20] ^= 1
    tarball.write_bytes(bytes(data))
    assert "is not the file that was published" in bundle(project, tmp_path / "b.tar", code=12)
    assert (tmp_path / "b.tar").read_bytes() == b"before"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_metadata_that_ran_out_makes_no_bundle(project: Project) -> None:
    root = (project.keys / "root.json").read_bytes()
    later = datetime.now(UTC) + timedelta(days=2)
    signed = Signed(DirectoryStore(project.served), root, later)
    with pytest.raises(TrustError) as caught:
        from_store(load_agent("beacon", project.folder), (), signed, Choices("/srv", root=root))
    assert "timestamp metadata ran out" in caught.value.message
    assert "toolkit refresh" in caught.value.hint


def test_until_is_when_the_first_of_it_runs_out(project: Project, tmp_path: Path) -> None:
    done = project.json("bundle", "beacon", "--out", str(tmp_path / "b.tar"))
    timestamp = json.loads((project.served / "metadata/timestamp.json").read_bytes())
    expires = datetime.fromisoformat(timestamp["signed"]["expires"])
    assert datetime.fromisoformat(done["until"]) == expires
