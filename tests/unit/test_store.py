import hashlib
import os
from pathlib import Path

import pytest

from toolkit.errors import StoreError
from toolkit.store import CHUNK, DirectoryStore
from toolkit.uploads import Upload, of_bytes


def upload(name: str = "a.tar.gz", data: bytes = b"new") -> Upload:
    return of_bytes(name, data, immutable=True)


def content(store: DirectoryStore, name: str) -> bytes | None:
    with store.read(name) as stored:
        return None if stored is None else b"".join(stored.chunks)


def test_a_file_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "not/there/yet")
    sent: list[int] = []
    store.write(upload(), sent.append)
    assert content(store, "a.tar.gz") == b"new"
    assert sum(sent) == 3


def test_a_large_file_goes_piece_by_piece(tmp_path: Path) -> None:
    data = os.urandom(2 * CHUNK + 5)
    source = tmp_path / "source"
    source.write_bytes(data)
    sent: list[int] = []
    store = DirectoryStore(tmp_path / "store")
    store.write(
        Upload("a.tar.gz", source, len(data), hashlib.sha256(data).hexdigest(), immutable=True),
        sent.append,
    )
    assert sent == [CHUNK, CHUNK, 5]
    with store.read("a.tar.gz") as stored:
        assert stored is not None
        assert stored.size == len(data)
        assert [len(chunk) for chunk in stored.chunks] == [CHUNK, CHUNK, 5]


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert content(DirectoryStore(tmp_path), "a.tar.gz") is None
    assert DirectoryStore(tmp_path / "gone").names() == frozenset()


def test_everybody_may_read_what_was_stored(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        DirectoryStore(tmp_path).write(upload(), lambda _: None)
    finally:
        os.umask(before)
    assert (tmp_path / "a.tar.gz").stat().st_mode & 0o777 == 0o644


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.write(upload(data=b"old"), lambda _: None)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(upload(data=b"new"), interrupt)
    assert content(store, "a.tar.gz") == b"old"
    assert list(store.names()) == ["a.tar.gz"]


def test_a_folder_that_can_not_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="could not write") as caught:
        DirectoryStore(tmp_path / "file").write(upload(), lambda _: None)
    assert caught.value.why
    assert caught.value.hint


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    # /dev/full is a file that has no room; only the source of the bytes is needed for that.
    store = DirectoryStore(tmp_path)

    def full(_: int) -> None:
        with Path("/dev/full").open("wb", buffering=0) as device:
            device.write(b"x")

    with pytest.raises(StoreError) as caught:
        store.write(upload(), full)
    assert caught.value.why == "No space left on device"
    assert "free some room" in caught.value.hint
    assert list(store.names()) == []
