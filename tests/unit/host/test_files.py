"""Files are whole or not there, and never readable by others before their time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from toolkit.host.files import point_link, remove_tree, write_atomic, write_if_changed


def test_the_file_has_its_mode_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_atomic(tmp_path / ".env", b"A=1\n", 0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_a_write_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, b"old", 0o644)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new", 0o644)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "unit"
    assert write_if_changed(path, b"one", 0o644)
    first = path.stat().st_ino
    assert not write_if_changed(path, b"one", 0o644)
    assert path.stat().st_ino == first
    assert write_if_changed(path, b"two", 0o644)


def test_a_link_moves_without_a_gap_and_stays_relative(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / "releases" / version).mkdir(parents=True)
        point_link(tmp_path / "current", tmp_path / "releases" / version)
        assert str((tmp_path / "current").readlink()) == f"releases/{version}"


def test_read_only_trees_go_too(tmp_path: Path) -> None:
    folder = tmp_path / "releases" / "1"
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "file").chmod(0o444)
    folder.chmod(0o555)
    remove_tree(tmp_path / "releases")
    assert list(tmp_path.iterdir()) == []
    remove_tree(tmp_path / "releases")
