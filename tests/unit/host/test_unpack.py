"""A tarball is unpacked inside its folder, and only as its manifest says."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import tarfile
from pathlib import Path

import pytest

from tests.support.need import need_command
from toolkit.blockzstd import BlockZstd
from toolkit.host.errors import BadRelease
from toolkit.host.manifest import File, dump_manifest
from toolkit.host.tarwriter import Digest
from toolkit.host.unpack import seal, unpack


def member(name: str, data: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def tarball(tmp_path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    path = tmp_path / "release.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def manifest(*files: File) -> tuple[tarfile.TarInfo, bytes]:
    return member("manifest.json", dump_manifest("a", "1", None, files).encode())


def listed(name: str, data: bytes, mode: int = 0o644) -> File:
    return File(name, mode, len(data), hashlib.sha256(data).hexdigest())


def test_files_modes_and_links(tmp_path: Path) -> None:
    made = tarball(
        tmp_path,
        member("bin/run", b"#!", mode=0o755),
        link("run", "bin/run"),
        manifest(listed("bin/run", b"#!", 0o755), File("run", 0o777, 0, "", "bin/run")),
    )
    folder = tmp_path / "out"
    unpack(made, folder)
    assert (folder / "run").read_bytes() == b"#!"
    seal(folder)
    assert stat.S_IMODE((folder / "bin" / "run").stat().st_mode) == 0o555
    assert stat.S_IMODE((folder / "bin").stat().st_mode) == 0o555


@pytest.mark.parametrize(
    "members",
    [
        [member("/etc/passwd", b"x")],
        [member("../outside", b"x")],
        [member("a/../../outside", b"x")],
        [link("a", "/etc")],
        [link("a", "../outside")],
        [link("a", "."), member("a/b", b"x")],
        [link("y", "."), link("z", "y/.."), member("z/outside", b"x")],
        [member("pipe", type=tarfile.FIFOTYPE)],
        [member("device", type=tarfile.CHRTYPE)],
        [member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
        [member("twice", b"1"), member("twice", b"2")],
    ],
    ids=lambda members: members[-1][0].name,
)
def test_what_leads_out_or_is_no_file_is_refused(
    members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path
) -> None:
    made = tarball(tmp_path, *members)
    with pytest.raises(BadRelease):
        unpack(made, tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "is not in the manifest"),
        ([listed("a", b"x"), listed("b", b"y")], "b is missing"),
        ([listed("a", b"other")], "a is not the file in the manifest"),
        ([listed("a", b"x", 0o755)], "a is not the file in the manifest"),
    ],
)
def test_what_differs_from_the_manifest_is_refused(
    files: list[File], said: str, tmp_path: Path
) -> None:
    made = tarball(tmp_path, member("a", b"x"), manifest(*files))
    with pytest.raises(BadRelease, match=said):
        unpack(made, tmp_path / "out")


def test_a_tarball_without_a_manifest_or_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRelease, match=r"has no manifest\.json"):
        unpack(tarball(tmp_path, member("a", b"x")), tmp_path / "one")
    made = tarball(tmp_path, member("a", b"x" * 100_000), manifest(listed("a", b"x" * 100_000)))
    made.write_bytes(made.read_bytes()[:-40])
    with pytest.raises(BadRelease, match="no readable tarball"):
        unpack(made, tmp_path / "two")


def in_form(made: Path, form: str) -> Path:
    """Give the tar of the .tar.gz `made` in another form, with bytes after its end mark."""
    path = made.with_name(f"release.{form}")
    data = gzip.decompress(made.read_bytes()) + bytes(100_000)
    with path.open("wb") as file:
        if form == "tar":
            file.write(data)
        else:
            with BlockZstd(file.write) as stream:
                stream.write(data)
    return path


@pytest.mark.parametrize("form", ["tar", "tar.zst"])
def test_other_forms_are_read_to_their_end_and_hashed(form: str, tmp_path: Path) -> None:
    need_command("zstd")
    made = tarball(tmp_path, member("a", b"x"), manifest(listed("a", b"x")))
    data = gzip.decompress(made.read_bytes()) + bytes(100_000)
    tar = Digest(len(data), hashlib.sha256(data).hexdigest())
    unpack(in_form(made, form), tmp_path / "out", tar)
    assert (tmp_path / "out" / "a").read_bytes() == b"x"
    unpack(in_form(made, form), tmp_path / "unknown")
    for other in (Digest(tar.size - 1, tar.sha256), Digest(tar.size, "ab" * 32)):
        with pytest.raises(BadRelease, match="another tar than the one that was signed"):
            unpack(in_form(made, form), tmp_path / f"{other.size}", other)


@pytest.mark.parametrize("form", ["tar", "tar.zst"])
def test_other_forms_are_held_against_the_manifest_too(form: str, tmp_path: Path) -> None:
    need_command("zstd")
    made = tarball(tmp_path, member("a", b"x"), manifest(listed("a", b"y")))
    with pytest.raises(BadRelease, match="a is not the file in the manifest"):
        unpack(in_form(made, form), tmp_path / "one")
    cut = in_form(made, form)
    cut.write_bytes(cut.read_bytes()[:20])
    with pytest.raises(BadRelease, match=r"no readable tarball|can't be decompressed"):
        unpack(cut, tmp_path / "two")
