"""A wheel that is written again, uncompressed inside."""

import zipfile
from pathlib import Path

from toolkit.sources.stored_wheels import store


def wheel(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        script = zipfile.ZipInfo("a-1.data/scripts/run", (2020, 1, 2, 3, 4, 6))
        script.external_attr = 0o100755 << 16
        archive.writestr(script, b"#!python\n" * 100)
        archive.writestr(zipfile.ZipInfo("a/__init__.py"), b"x = 1\n" * 1000)
    return path


def test_its_files_stay_as_they_are_and_are_not_compressed(tmp_path: Path) -> None:
    there = wheel(tmp_path / "a-1-py3-none-any.whl")
    (stored,) = store([there], tmp_path / "stored")
    assert stored.name == there.name
    with zipfile.ZipFile(there) as before, zipfile.ZipFile(stored) as after:
        for old, new in zip(before.infolist(), after.infolist(), strict=True):
            assert new.compress_type == zipfile.ZIP_STORED
            assert before.read(old) == after.read(new)
            kept = ("filename", "date_time", "external_attr", "create_system")
            assert [getattr(old, key) for key in kept] == [getattr(new, key) for key in kept]


def test_the_same_wheel_gives_the_same_bytes(tmp_path: Path) -> None:
    there = wheel(tmp_path / "a-1-py3-none-any.whl")
    once, again = (next(store([there], tmp_path / name)) for name in ("once", "again"))
    assert once.read_bytes() == again.read_bytes()
