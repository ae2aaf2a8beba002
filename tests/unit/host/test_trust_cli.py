"""`agentctl install`: what is believed is named once, and refused before anything is changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.signed_store import SignedStore, release
from toolkit.host import cli, console
from toolkit.host.choice import Wanted
from toolkit.host.errors import Unsupported, UsageError
from toolkit.host.layout import this_platform
from toolkit.host.locate import pinned, trusted

DATA = b"no tarball"


@pytest.fixture
def signed(tmp_path: Path) -> SignedStore:
    signed = SignedStore(tmp_path / "store")
    signed.add("tiny-v1.0.0.tar.gz", DATA, release("1.0.0"))
    signed.publish()
    return signed


@pytest.fixture
def root(tmp_path: Path, signed: SignedStore) -> Path:
    file = tmp_path / "given.json"
    file.write_bytes(signed.root_bytes())
    return file


def run(home: Path, *more: str) -> int:
    return cli.main(["install", "tiny", "--home", str(home), "--process-manager", "direct", *more])


def test_signed_metadata_names_the_file_its_length_and_its_hash(
    tmp_path: Path, signed: SignedStore, root: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    wanted = Wanted("tiny", "1.0.0")
    found = trusted(home, str(signed.folder), root, wanted, console.clock)
    assert (found.version, found.platform) == ("1.0.0", this_platform())
    assert found.source.url == (signed.folder / "tiny-v1.0.0.tar.gz").as_uri()
    assert found.source.sha256 == hashlib.sha256(DATA).hexdigest()
    assert found.source.size == len(DATA)


def test_a_pinned_hash_is_taken_for_this_platform() -> None:
    rows = [["linux-none", "a", "1"], [this_platform(), "b", "2"]]
    assert pinned(rows, "/store", "1").source.sha256 == "2"
    with pytest.raises(Unsupported):
        pinned(rows[:1], "/store", "1")


@pytest.mark.parametrize(
    "words",
    [
        ("--version", "1", "--channel", "stable", "--root", "r"),
        ("--version", "1", "--root", "r", "--tarball", "any", "f", "0"),
        ("--version", "1"),
        ("--root", "r"),
    ],
)
def test_words_that_contradict_or_lack_each_other(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(tmp_path / "home", "--store", "/store", *words)
    assert caught.value.code == 2
    assert not (tmp_path / "home").exists()


def test_a_channel_needs_a_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--store", "/store", "--channel", "stable", "--tarball", "any", "f", "0")
    assert run(tmp_path / "home", *words) == UsageError.exit_code
    assert "a channel says nothing without signed metadata" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_a_root_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--store", "/store", "--version", "1", "--root", str(tmp_path / "none.json"))
    assert run(tmp_path / "home", *words) == UsageError.exit_code
    assert "none.json can't be read" in capsys.readouterr().err


def test_a_refusal_tells_what_to_do_and_leaves_nothing(
    tmp_path: Path, signed: SignedStore, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (signed.metadata / "timestamp.json").write_text("{}", "utf-8")
    words = ("--store", str(signed.folder), "--version", "1.0.0", "--root", str(root))
    assert run(tmp_path / "home", *words) == 49
    error = capsys.readouterr().err
    assert "error: the store's timestamp metadata can't be used" in error
    assert "  do:  do not install from this store" in error
    assert not (tmp_path / "home").exists()


def test_somebody_elses_folder_gets_no_trust(
    tmp_path: Path, signed: SignedStore, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter").write_text("dear", "utf-8")
    words = ("--store", str(signed.folder), "--version", "1.0.0", "--root", str(root))
    assert run(home, *words) == UsageError.exit_code
    assert not (home / "trust").exists()
