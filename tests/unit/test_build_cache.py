"""The cache of builds: never stale, never damaged, and safe for builds at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from toolkit.build_cache import BuildCache, key_of, user_cache
from toolkit.errors import BuildError

INPUTS = {"lock": "one\ntwo\n"}


@pytest.fixture
def cache(tmp_path: Path) -> BuildCache:
    return BuildCache(tmp_path / "cache")


class Maker:
    """Fills a folder, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text(f"content {self.calls}")
        (folder / "run").write_text("#!/bin/sh")
        (folder / "run").chmod(0o755)
        (folder / "link").symlink_to("sub/file")


def test_the_same_inputs_are_made_once(cache: BuildCache) -> None:
    make = Maker()
    first = cache.folder("npm", INPUTS, make)
    assert cache.folder("npm", INPUTS, make) == first
    assert make.calls == 1
    assert (first / "link").read_text() == "content 1"


def test_one_line_of_the_lock_makes_another_folder(cache: BuildCache) -> None:
    make = Maker()
    first = cache.folder("npm", INPUTS, make)
    second = cache.folder("npm", {"lock": "one\nthree\n"}, make)
    assert (make.calls, first == second) == (2, False)


def test_no_two_sets_of_inputs_look_alike() -> None:
    sets = [{"a": "b"}, {"a": "", "b": ""}, {"ab": ""}, {"": "ab"}, {"a": "b", "": ""}, {}]
    assert len({key_of(inputs) for inputs in sets}) == len(sets)


def damage_content(tree: Path) -> None:
    (tree / "sub" / "file").write_text("CONTENT 1")


def remove_file(tree: Path) -> None:
    (tree / "run").unlink()


def add_file(tree: Path) -> None:
    (tree / "more").write_text("")


def change_mode(tree: Path) -> None:
    (tree / "run").chmod(0o644)


def change_link(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("run")


def cut_list(tree: Path) -> None:
    file = tree.parent / "manifest.json"
    file.write_text(file.read_text()[:-20])


def remove_list(tree: Path) -> None:
    (tree.parent / "manifest.json").unlink()


def change_list(tree: Path) -> None:
    """Make the list fit a damaged tree: its own hash tells."""
    file = tree.parent / "manifest.json"
    file.write_text(file.read_text().replace("0755", "0644"))
    change_mode(tree)


DAMAGE = [
    *(damage_content, remove_file, add_file, change_mode, change_link),
    *(cut_list, remove_list, change_list),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_found_and_made_anew(
    cache: BuildCache, damage: Callable[[Path], None]
) -> None:
    make = Maker()
    damage(cache.folder("npm", INPUTS, make))
    tree = cache.folder("npm", INPUTS, make)
    assert make.calls == 2
    assert (tree / "sub" / "file").read_text() == "content 2"
    assert sorted(path.name for path in tree.iterdir()) == ["link", "run", "sub"]
    assert cache.folder("npm", INPUTS, make) == tree
    assert make.calls == 2


def test_what_could_not_be_made_is_not_kept(cache: BuildCache) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise BuildError("no network")

    with pytest.raises(BuildError, match="no network"):
        cache.folder("npm", INPUTS, fail)
    make = Maker()
    assert not (cache.folder("npm", INPUTS, make) / "half").exists()
    left = [path.name for path in (cache.top / "builds").iterdir()]
    assert not [name for name in left if name.startswith(".new-")]


def test_builds_at_once_make_it_once(cache: BuildCache) -> None:
    make = Maker()

    def slow(folder: Path) -> None:
        time.sleep(0.05)
        make(folder)

    with ThreadPoolExecutor(8) as pool:
        trees = list(pool.map(lambda _: cache.folder("npm", INPUTS, slow), range(8)))
    assert len(set(trees)) == 1
    assert make.calls == 1


def test_what_nobody_used_for_a_month_is_forgotten(cache: BuildCache) -> None:
    old = cache.folder("npm", {"lock": "old"}, Maker())
    used = cache.folder("npm", {"lock": "used"}, Maker())
    cache.keep("release", key_of(INPUTS), "old")
    for path in (cache.top / "builds").iterdir():
        os.utime(path, (1, 1))
    cache.folder("npm", {"lock": "used"}, Maker())
    cache.folder("npm", {"lock": "new"}, Maker())
    assert not old.exists()
    assert used.exists()
    assert cache.record("release", key_of(INPUTS)) is None


def test_records_come_back_unless_they_are_damaged(cache: BuildCache) -> None:
    key = key_of(INPUTS)
    assert cache.record("release", key) is None
    cache.keep("release", key, "one\ntwo")
    assert cache.record("release", key) == "one\ntwo"
    [file] = [path for path in (cache.top / "builds").iterdir() if path.name.startswith("release")]
    file.write_text(file.read_text() + "three")
    assert cache.record("release", key) is None
    file.write_text("")
    assert cache.record("release", key) is None


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert user_cache() == Path("/x/toolkit")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert user_cache() == Path("/home/me/.cache/toolkit")
