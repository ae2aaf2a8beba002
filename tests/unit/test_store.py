import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.errors import ConflictError, StoreError
from toolkit.store import CHUNK, DirectoryStore
from toolkit.uploads import Absent, Precondition, Unchanged, Upload, of_bytes


def upload(
    name: str = "a.tar.gz", data: bytes = b"new", only_if: Precondition | None = None
) -> Upload:
    return replace(of_bytes(name, data, immutable=True), only_if=only_if)


def etag(store: DirectoryStore, name: str) -> str:
    with store.read(name) as stored:
        assert stored is not None
        return stored.etag


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


def test_absent_writes_a_file_once(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.write(upload(data=b"first", only_if=Absent()), lambda _: None)
    with pytest.raises(ConflictError, match="was there already"):
        store.write(upload(data=b"second", only_if=Absent()), lambda _: None)
    assert content(store, "a.tar.gz") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
    assert (tmp_path / "a.tar.gz").stat().st_nlink == 1


def test_unchanged_compares_and_swaps(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    with pytest.raises(ConflictError):
        store.write(upload(only_if=Unchanged("none")), lambda _: None)
    store.write(upload(data=b"first"), lambda _: None)
    seen = etag(store, "a.tar.gz")
    store.write(upload(data=b"second", only_if=Unchanged(seen)), lambda _: None)
    with pytest.raises(ConflictError, match="not the one that was read before"):
        store.write(upload(data=b"third", only_if=Unchanged(seen)), lambda _: None)
    assert content(store, "a.tar.gz") == b"second"
    assert etag(store, "a.tar.gz") != seen


def test_publishers_at_once_lose_nothing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.write(upload(data=b""), lambda _: None)

    def append(letter: bytes) -> None:
        while True:
            with store.read("a.tar.gz") as stored:
                assert stored is not None
                data = b"".join(stored.chunks) + letter
            try:
                store.write(upload(data=data, only_if=Unchanged(stored.etag)), lambda _: None)
            except ConflictError:
                continue
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, [bytes([letter]) for letter in b"abcdefghijkl"]))
    assert sorted(content(store, "a.tar.gz") or b"") == list(b"abcdefghijkl")


def test_files_are_listed_and_removed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for name in ("metadata/1.root.json", "a.tar.gz", "a.txt", ".a.part", ".toolkit/a"):
        store.write(upload(name), lambda _: None)
    assert store.names() == {"metadata/1.root.json", "a.tar.gz", "a.txt"}
    assert store.names("a.") == {"a.tar.gz", "a.txt"}
    assert store.names("metadata/") == {"metadata/1.root.json"}
    store.delete("a.txt")
    store.delete("a.txt")
    assert store.names("a.") == {"a.tar.gz"}
