"""Signed provenance, from `toolkit upload` to `toolkit reproduce`."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from securesystemslib.signer import CryptoSigner

from tests.support.need import need_command
from tests.support.project import PASSPHRASE, Project, make_project
from toolkit.provenance import bare, envelope

FILE = "beacon-v1.0.0.intoto.json"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in a git repository, with keys, whose release is built and not uploaded."""
    need_command("git")
    project = make_project(tmp_path)
    (tmp_path / "beacon").mkdir()
    (tmp_path / "beacon/beacon").write_text("#!/bin/sh\n")
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True)
    project.run("keys", "init", "--agent", "beacon")
    build(project)
    return project


def build(project: Project) -> None:
    project.run("release", "beacon", "--no-cache", "--platform", "linux-x64", passphrase=None)


def file_of(project: Project) -> Path:
    return project.folder / "release/dist" / FILE


def reproduce(project: Project, *words: str, code: int = 0) -> str:
    return project.run("reproduce", "beacon", "1.0.0", *words, passphrase=None, code=code).output


def test_an_upload_signs_what_a_build_left_unsigned(project: Project) -> None:
    statement = file_of(project).read_text()
    assert "payload" not in json.loads(statement)
    assert "is not signed" in reproduce(project, code=13)
    assert "with the same bytes" in reproduce(project, "--unsigned")
    project.run("upload", "beacon", passphrase=None)
    published = project.served / FILE
    assert published.read_bytes() == file_of(project).read_bytes()
    assert bare(published.read_text()) == statement
    assert "with the same bytes" in reproduce(project)
    with project.host() as host:
        assert host.fetch(FILE) == published.read_bytes()


def test_the_same_build_and_key_give_the_same_bytes(project: Project) -> None:
    project.run("upload", "beacon", passphrase=None)
    published = (project.served / FILE).read_bytes()
    build(project)
    done = project.json("upload", "beacon")
    assert {row["action"] for row in done["files"]} == {"unchanged"}
    assert file_of(project).read_bytes() == published


def test_a_wrong_signature_is_refused(project: Project) -> None:
    project.run("upload", "beacon", passphrase=None)
    text = file_of(project).read_text()
    file_of(project).write_text(envelope(bare(text), [CryptoSigner.generate_ed25519()]))
    assert "does not verify" in reproduce(project, code=13)
    assert "does not verify" in reproduce(project, "--unsigned", code=13)
    data = json.loads(text)
    changed = bare(text).replace('"epoch"', '"epoch" ')
    data["payload"] = base64.b64encode(changed.encode()).decode()
    file_of(project).write_text(json.dumps(data))
    assert "does not verify" in reproduce(project, code=13)


def test_a_former_key_counts_for_what_the_metadata_names(project: Project) -> None:
    project.run("upload", "beacon", passphrase=None)
    project.run("keys", "rotate", "beacon")
    assert "with the same bytes" in reproduce(project)
    other = project.folder / "other" / FILE
    other.parent.mkdir()
    other.write_text(file_of(project).read_text() + "\n")
    assert "does not verify" in reproduce(project, "--provenance", str(other), code=13)


def test_a_statement_of_other_files_is_not_signed(project: Project) -> None:
    text = file_of(project).read_text()
    data = json.loads(text)
    data["subject"][0]["digest"]["sha256"] = "00" * 32
    file_of(project).write_text(json.dumps(data))
    done = project.run("upload", "beacon", passphrase=None, code=12)
    assert "tells of other files" in done.output
    assert not (project.served / "beacon-v1.0.0.tar.gz").exists()


def test_an_encrypted_agents_key_is_opened_by_the_passphrase(project: Project) -> None:
    key = project.keys / "beacon-1.pem"
    key.write_bytes(encrypted(key.read_bytes()))
    done = project.run("upload", "beacon", passphrase=None, code=14)
    assert "--passphrase-fd" in done.output
    project.run("upload", "beacon")
    assert "with the same bytes" in reproduce(project)


def encrypted(pem: bytes) -> bytes:
    return form.load_pem_private_key(pem, None).private_bytes(
        form.Encoding.PEM,
        form.PrivateFormat.PKCS8,
        form.BestAvailableEncryption(PASSPHRASE.encode()),
    )


def test_a_plan_names_the_metadata_and_writes_nothing(project: Project) -> None:
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    rows = project.json("upload", "beacon", "--plan")
    after = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    assert after == before
    metadata = [row for row in rows["files"] if row["name"].startswith("metadata/")]
    named = [(row["name"], row["precondition"], row["action"]) for row in metadata]
    etag = named[-1][1]
    assert named == [
        ("metadata/2.beacon.json", "If-None-Match: *", "sent"),
        ("metadata/2.agentctl.json", "If-None-Match: *", "sent"),
        ("metadata/2.snapshot.json", "If-None-Match: *", "sent"),
        ("metadata/timestamp.json", etag, "replaced"),
    ]
    assert etag.startswith("If-Match: ")
    assert [row["cache_control"] for row in metadata[2:]] == [
        "public, max-age=31536000, immutable",
        "no-cache",
    ]
    assert {row["sha256"] for row in metadata} == {None}
    assert [row["name"] for row in rows["files"]][-2].startswith("beacon-latest")
    assert any(FILE in note for note in rows["notes"])
    text = project.run("upload", "beacon", "--plan", passphrase=None).stdout
    assert "send  metadata/2.beacon.json" in text
    assert "known when it is signed" in text
    (project.served / "metadata/2.beacon.json").write_text("left by a publisher that was stopped")
    rows = project.json("upload", "beacon", "--plan")
    assert "metadata/3.beacon.json" in [row["name"] for row in rows["files"]]
    project.run("upload", "beacon", passphrase=None)
    assert (project.served / "metadata/3.beacon.json").exists()
    rows = project.json("upload", "beacon", "--plan")
    assert not [row for row in rows["files"] if row["name"].startswith("metadata/")]
    assert {row["action"] for row in rows["files"]} == {"unchanged"}
