"""A .tar.zst is read by the host's program or by Python's library, and damage is seen."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from tests.support.need import need_command
from toolkit.blockzstd import BlockZstd
from toolkit.delta import make_patch
from toolkit.host import decompress
from toolkit.host.decompress import can_zstd, open_zstd
from toolkit.host.errors import BadRelease

CONTENT = bytes(range(256)) * 5000


@pytest.fixture(params=["program", "library"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "program":
        need_command("zstd")
        monkeypatch.setattr(decompress, "_library", lambda: None)
    else:
        # What Python 3.14 has as compression.zstd.
        monkeypatch.setattr(decompress, "_program", lambda: None)
        monkeypatch.setattr(decompress, "_library", lambda: zstd)


def compressed(path: Path, content: bytes) -> Path:
    with path.open("wb") as file, BlockZstd(file.write) as stream:
        stream.write(content)
    return path


@pytest.mark.usefixtures("way")
def test_content(tmp_path: Path) -> None:
    assert can_zstd()
    with open_zstd(compressed(tmp_path / "-x.zst", CONTENT)) as stream:
        assert stream.read() == CONTENT


@pytest.mark.usefixtures("way")
def test_a_tar_is_read_as_a_stream(tmp_path: Path) -> None:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("a")
        info.size = len(CONTENT)
        tar.addfile(info, BytesIO(CONTENT))
    file = compressed(tmp_path / "x.tar.zst", buffer.getvalue() + bytes(5_000_000))
    with open_zstd(file) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        [name] = [member.name for member in tar]
    assert name == "a"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_file_that_was_cut(tmp_path: Path, keep: float) -> None:
    file = compressed(tmp_path / "x.zst", CONTENT)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    with pytest.raises(BadRelease, match=r"x\.zst can't be decompressed"), open_zstd(file) as s:
        s.read()


@pytest.mark.usefixtures("way")
def test_what_is_not_compressed(tmp_path: Path) -> None:
    file = tmp_path / "x.zst"
    file.write_bytes(b"no zstd at all")
    with pytest.raises(BadRelease), open_zstd(file) as stream:
        stream.read()


@pytest.mark.usefixtures("way")
def test_a_reader_that_fails_is_not_waited_for(tmp_path: Path) -> None:
    file = compressed(tmp_path / "x.zst", bytes(50_000_000))
    with pytest.raises(UnicodeDecodeError), open_zstd(file) as stream:
        stream.read(1).replace(b"\0", b"\xff").decode()


@pytest.mark.usefixtures("way")
def test_a_patch_needs_its_base(tmp_path: Path) -> None:
    base, other, patch = tmp_path / "base", tmp_path / "other", tmp_path / "patch"
    base.write_bytes(CONTENT)
    other.write_bytes(CONTENT[::-1])
    patch.write_bytes(make_patch(CONTENT, CONTENT + b"more"))
    with open_zstd(patch, base=base) as stream:
        assert stream.read() == CONTENT + b"more"
    with pytest.raises(BadRelease), open_zstd(patch, base=other) as stream:
        stream.read()


def test_a_host_without_zstd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = lambda: None  # noqa: E731
    monkeypatch.setattr(decompress, "_program", nothing)
    monkeypatch.setattr(decompress, "_library", nothing)
    assert not can_zstd()
    with pytest.raises(BadRelease, match="nothing on this host"), open_zstd(tmp_path / "x"):
        pass
