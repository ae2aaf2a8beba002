"""A tarball's bytes come from its entries alone, and nothing in it can leave its folder."""

import gzip
import hashlib
import json
import random
import subprocess
import tarfile
import threading
from io import BytesIO
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from toolkit import blockgzip, blockzstd
from toolkit.archive import DEFAULT_EPOCH, Archive, Entry, Sinks, build_archive, text_entry
from toolkit.errors import BuildError
from toolkit.host import tarwriter
from toolkit.host.manifest import File, dump_manifest, parse_manifest
from toolkit.host.tarwriter import Digest

NAMES = st.from_regex(r"[a-zA-Z0-9._-]{1,60}", fullmatch=True).filter(
    lambda name: name not in {".", "..", "manifest.json"}
)
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)


def manifest(files: object) -> str:
    return dump_manifest("agent", "1.0", None, files)  # type: ignore[arg-type]


def pack(entries: list[Entry], *, epoch: int = DEFAULT_EPOCH) -> tuple[bytes, Archive]:
    sink = BytesIO()
    made = build_archive(entries, Sinks(sink), epoch=epoch, manifest=manifest)
    return sink.getvalue(), made


def data_entry(path: str, data: bytes, mode: int = 0o644) -> Entry:
    return Entry(path, mode, len(data), lambda: BytesIO(data))


def link_entry(path: str, target: str) -> Entry:
    return Entry(path, 0o777, 0, BytesIO, target)


def members_of(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        return tar.getmembers()


def noise(size: int, seed: int = 1) -> bytes:
    """Half random, half repeating, so that the compressor has both to do."""
    source = random.Random(seed)
    return b"".join(source.randbytes(500) + b"agent " * 80 for _ in range(size // 980 + 1))[:size]


def test_members_are_sorted_and_plain() -> None:
    data, _ = pack([text_entry("b/two", "2", 0o600), text_entry("a", "1", 0o4711)])
    members = members_of(data)
    assert [(m.name, oct(m.mode)) for m in members] == [
        ("a", "0o755"),
        ("b", "0o755"),
        ("b/two", "0o644"),
        ("manifest.json", "0o644"),
    ]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {
        (0, 0, "", "", DEFAULT_EPOCH)
    }


def test_gzip_header_has_no_name_and_no_time() -> None:
    data, _ = pack([])
    assert data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"


def test_order_of_entries_and_private_modes_do_not_matter() -> None:
    one = [text_entry("x", "1", 0o600), text_entry("y", "2", 0o700)]
    other = [text_entry("y", "2", 0o755), text_entry("x", "1", 0o644)]
    assert pack(one)[0] == pack(other)[0]


def test_epoch_is_the_time_of_every_member() -> None:
    data, _ = pack([text_entry("d/x", "1")], epoch=1_700_000_000)
    members = members_of(data)
    assert {m.mtime for m in members} == {1_700_000_000}


@pytest.mark.parametrize("size", [0, 1, blockgzip.BLOCK - 1, blockgzip.BLOCK, 3_500_000])
def test_blocks_are_one_stream_whatever_the_number_of_threads(size: int) -> None:
    content = noise(size)
    streams = []
    for threads in (1, 2, 7):
        parts: list[bytes] = []
        with blockgzip.BlockGzip(parts.append, threads=threads) as stream:
            for start in range(0, size, 300_001):
                stream.write(content[start : start + 300_001])
        streams.append(b"".join(parts))
    assert gzip.decompress(streams[0]) == content
    assert streams[0] == streams[1] == streams[2]


def test_a_block_leans_on_the_one_before() -> None:
    """Without priming, a repeat across the border of two blocks would be stored again."""
    chunk = random.Random(3).randbytes(blockgzip.WINDOW - 300)
    parts: list[bytes] = []
    with blockgzip.BlockGzip(parts.append) as stream:
        stream.write(bytes(blockgzip.BLOCK - len(chunk)) + chunk + chunk)
    assert len(b"".join(parts)) < 1.2 * len(chunk)


def test_output_is_pinned() -> None:
    """Published hashes change with these bytes: a new zlib-ng has to be a decision."""
    sink: list[bytes] = []
    with blockgzip.BlockGzip(sink.append) as stream:
        stream.write(noise(3_000_000))
    assert hashlib.sha256(b"".join(sink)).hexdigest() == PINNED


def zstd_of(content: bytes, *, threads: int | None = None, piece: int = 1 << 18) -> bytes:
    parts: list[bytes] = []
    with blockzstd.BlockZstd(parts.append, threads=threads) as stream:
        for start in range(0, len(content), piece):
            stream.write(content[start : start + piece])
    return b"".join(parts)


@pytest.mark.parametrize("size", [0, 1, blockzstd.JOB, 2 * blockzstd.JOB + 12_345])
def test_zstandard_is_the_same_whatever_threads_and_pieces(size: int) -> None:
    content = noise(size)
    first = zstd_of(content, threads=1)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(first) == content
    assert zstd_of(content, threads=2, piece=99_991) == first
    assert zstd_of(content, threads=5, piece=1 << 23) == first


def test_zstandard_output_is_pinned() -> None:
    """Published hashes change with these bytes: a new zstandard has to be a decision."""
    assert hashlib.sha256(zstd_of(noise(20_000_000))).hexdigest() == PINNED_ZSTD


def test_both_forms_hold_the_same_tar() -> None:
    entries = [data_entry(f"d/{n}", noise(100_000, n)) for n in range(9)]
    plain, packed = BytesIO(), BytesIO()
    made = build_archive(entries, Sinks(plain, packed), epoch=DEFAULT_EPOCH, manifest=manifest)
    assert (plain.getvalue(), made.gzip) == (pack(entries)[0], pack(entries)[1].gzip)
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    assert decompressor.decompress(packed.getvalue()) == gzip.decompress(plain.getvalue())
    data = packed.getvalue()
    assert made.zstd == Digest(len(data), hashlib.sha256(data).hexdigest())


PINNED_ZSTD = "daaee1267c3ba18ff629ea6d9f10b38b69d98c015e67f25950301c12ffbb4286"
PINNED = "14ed423517703a78bf653381dc2f06afa22be645547c62178542bc011ff246a2"


@given(st.dictionaries(PATHS, st.binary(max_size=2000), max_size=12))
def test_what_goes_in_comes_out(contents: dict[str, bytes]) -> None:
    paths = set(contents)
    contents = {
        path: data
        for path, data in contents.items()
        if not any(other.startswith(f"{path}/") for other in paths)
        and not path.startswith("manifest.json/")
    }
    data, made = pack([data_entry(path, content) for path, content in contents.items()])
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        files = {m.name: tar.extractfile(m) for m in tar.getmembers() if m.isfile()}
        read = {name: file.read() for name, file in files.items() if file}
    listed = parse_manifest(read.pop("manifest.json").decode())
    assert read == contents
    assert listed == made.files
    assert {file.path: file.sha256 for file in listed} == {
        path: hashlib.sha256(content).hexdigest() for path, content in contents.items()
    }
    assert made.gzip == Digest(len(data), hashlib.sha256(data).hexdigest())
    plain = gzip.decompress(data)
    assert made.tar == Digest(len(plain), hashlib.sha256(plain).hexdigest())


@given(path=PATHS, size=st.integers(0, 2**40), mode=st.sampled_from([0o644, 0o755]))
def test_plain_headers_read_as_those_of_tarfile(path: str, size: int, mode: int) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode, info.mtime = size, mode, DEFAULT_EPOCH
    ours = tarfile.TarInfo.frombuf(tarwriter._header(info)[-512:], "utf-8", "strict")
    theirs = tarfile.TarInfo.frombuf(
        info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")[-512:], "utf-8", "strict"
    )
    assert ours.get_info() == theirs.get_info()


@pytest.mark.parametrize("path", ["n" * 180, "deep/" * 40 + "file", "grüße/日本", "a b/$(c)'\"\n"])
def test_gnu_tar_reads_unusual_names_without_a_word(path: str, tmp_path: Path) -> None:
    file = tmp_path / "a.tar.gz"
    file.write_bytes(pack([text_entry(path, "content"), link_entry("zz", path)])[0])
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        ["tar", "-xzf", file, "-C", out], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert (out / path).read_text() == (out / "zz").read_text() == "content"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("bin/tool", "../lib/tool.js"),
        ("a", "b/c"),
        ("a/b/c", "../../d"),
        ("a", "."),
        ("deep/a", "../x/../y"),
        ("nothing", "there"),
    ],
)
def test_links_inside_are_kept(path: str, target: str) -> None:
    data, made = pack([link_entry(path, target)])
    assert {member.name: member.linkname for member in members_of(data)}[path] == target
    assert made.files == (File(path, 0o777, 0, "", target),)
    assert json.loads(manifest(made.files))["files"] == [{"path": path, "link": target}]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "/etc/passwd"),
        ("a", "../x"),
        ("a/b", "../../x"),
        ("a/b", "c/../../../x"),
        ("a", "a"),
        # Text alone would say that this stays inside: top is the folder itself.
        ("a/b", "top/../x"),
    ],
)
def test_links_that_lead_out_stop_the_build(path: str, target: str) -> None:
    with pytest.raises(BuildError, match="leads out of the release") as caught:
        pack([link_entry("a/top", ".."), link_entry(path, target)])
    assert path in caught.value.message


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "./a", "a//b", "", ".", "a/"])
def test_paths_that_are_not_inside_stop_the_build(path: str) -> None:
    with pytest.raises(BuildError, match="no path inside a release"):
        pack([text_entry(path, "")])


def test_names_that_are_not_utf8_stop_the_build() -> None:
    with pytest.raises(BuildError, match="not UTF-8"):
        pack([text_entry("bad\udcff", "")])


@pytest.mark.parametrize(
    "paths", [("a", "a"), ("a", "a/b"), ("x/manifest.json", "x"), ("manifest.json",)]
)
def test_two_files_of_one_name_stop_the_build(paths: tuple[str, ...]) -> None:
    entries = [text_entry(path, "", origin=f"place {n}") for n, path in enumerate(paths)]
    with pytest.raises(BuildError, match="would stand in the release twice"):
        pack(entries)


@pytest.mark.parametrize("announced", [3, 5])
def test_a_file_that_changes_meanwhile_stops_the_build(announced: int) -> None:
    entry = Entry("log", 0o644, announced, lambda: BytesIO(b"1234"))
    with pytest.raises(BuildError, match="changed while it was packed"):
        pack([entry])


def test_a_failure_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(BuildError):
        pack([data_entry("a", noise(5_000_000)), Entry("b", 0o644, 9, BytesIO)])
    assert threading.active_count() == before


def test_progress_counts_every_byte() -> None:
    seen: list[int] = []
    entries = [data_entry("a", noise(600_000)), text_entry("b", "12")]
    build_archive(entries, Sinks(BytesIO()), epoch=0, manifest=manifest, advance=seen.append)
    assert sum(seen) >= 600_002
