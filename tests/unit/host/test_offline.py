"""`agentctl install --bundle`: the same proofs as from a store, and what damage is called."""

from __future__ import annotations

import io
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.signed_store import SignedStore, release
from toolkit.host import cli
from toolkit.host.bundled import CONTENTS, Contents, Member
from toolkit.host.errors import AgentctlError, BadRelease, HashMismatch, Unsupported, UsageError
from toolkit.host.offline import answering

STORE = "https://cdn.example.com/agents"
TARBALL = "tiny-v1.0.0.tar.gz"
DATA = bytes(range(256)) * 100


@pytest.fixture(autouse=True)
def _called_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """agentctl takes itself along from where it was called."""
    monkeypatch.setattr("sys.argv", [__file__])


def describe(files: Mapping[str, bytes], **more: object) -> Contents:
    members = tuple(Member(name, len(d), sha256(d).hexdigest()) for name, d in files.items())
    values = {"name": "tiny", "version": "1.0.0", "platforms": ("any",), "until": None} | more
    return Contents(**values, files=members)  # type: ignore[arg-type]


def write(file: Path, files: Mapping[str, bytes], contents: Contents | None = None) -> Path:
    """Write a bundle that says of itself what `contents` says."""
    described = contents or describe(files)
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in {CONTENTS: described.to_json().encode(), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "b.tar", {TARBALL: DATA, "metadata/timestamp.json": b"{}"})


def check(file: Path, name: str = "tiny") -> None:
    with answering(file, STORE, name):
        pass


@pytest.mark.parametrize("store", [STORE, f"{STORE}/", "http://a:1", "/srv/with space"])
def test_requests_for_the_store_are_answered_and_no_other(store: str, file: Path) -> None:
    base = store.rstrip("/") if "://" in store else Path(store).as_uri()
    with answering(file, store, "tiny") as contents:
        assert contents is not None
        assert contents.version == "1.0.0"
        with urllib.request.urlopen(f"{base}/{TARBALL}?signed=1") as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(DATA)))
            assert answer.read1(10) + answer.read() == DATA
        for url in (f"{base}/other", "http://127.0.0.1:9/x", Path("/etc/passwd").as_uri()):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(url)
            assert (caught.value.code, caught.value.reason) == (404, "Not in the bundle")


def test_a_proxy_is_not_asked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with (
        answering(file, STORE, "tiny"),
        urllib.request.urlopen(f"{STORE}/metadata/timestamp.json") as answer,
    ):
        assert answer.read() == b"{}"


def test_a_bundle_that_was_cut_off_anywhere_is_refused(file: Path) -> None:
    data = file.read_bytes()
    whole = data.rstrip(b"\0")
    for end in (*range(0, len(whole), 509), len(whole)):
        file.write_bytes(data[:end])
        with pytest.raises((HashMismatch, BadRelease)):
            check(file)


def test_a_changed_byte_anywhere_is_refused_or_changes_nothing(file: Path) -> None:
    data = file.read_bytes()
    for at in range(0, len(data.rstrip(b"\0")), 97):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        try:
            with (
                answering(file, STORE, "tiny"),
                urllib.request.urlopen(f"{STORE}/{TARBALL}") as answer,
            ):
                assert answer.read() == DATA
        except AgentctlError as error:
            assert error.hint  # noqa: PT017 - each of many may pass


def test_a_bundle_of_another_agent_or_for_other_machines(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a bundle of tiny, not of beacon"):
        check(file, "beacon")
    contents = describe({TARBALL: DATA}, platforms=("linux-none",))
    with pytest.raises(Unsupported) as caught:
        check(write(tmp_path / "o.tar", {TARBALL: DATA}, contents))
    assert "is for linux-none" in caught.value.message
    assert "toolkit bundle tiny 1.0.0 --platform" in caught.value.hint


def test_what_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        check(tmp_path / "none.tar")
    with pytest.raises(UsageError):
        check(tmp_path)
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"))
    with pytest.raises(BadRelease, match="is no bundle"):
        check(other)
    for text in (b"", b"[]", b'{"schema": 2}', b'{"schema": 1}', b"[" * 100_000):
        with tarfile.open(other, "w") as tar:
            info = tarfile.TarInfo(CONTENTS)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
        with pytest.raises(BadRelease):
            check(other)


def test_what_does_not_belong_into_it_is_refused(file: Path, tmp_path: Path) -> None:
    files = {TARBALL: DATA, "extra": b"1"}
    with pytest.raises(HashMismatch, match="extra does not belong"):
        check(write(tmp_path / "e.tar", files, describe({TARBALL: DATA})))


def install(home: Path, store: str, root: Path, bundle: Path, *more: str) -> int:
    return cli.main(
        [
            *("install", "tiny", "--home", str(home), "--process-manager", "direct", *more),
            *("--store", store, "--root", str(root), "--bundle", str(bundle)),
        ]
    )


@pytest.fixture
def signed(tmp_path: Path) -> SignedStore:
    signed = SignedStore(tmp_path / "store")
    signed.add(TARBALL, DATA, release("1.0.0"))
    signed.publish()
    return signed


def bundled(signed: SignedStore, file: Path) -> Path:
    files = {f"metadata/{path.name}": path.read_bytes() for path in signed.metadata.iterdir()}
    return write(file, {TARBALL: DATA, **files})


def given_root(signed: SignedStore, tmp_path: Path) -> Path:
    root = tmp_path / "given.json"
    root.write_bytes(signed.root_bytes(1))
    return root


def test_a_check_by_signed_metadata_changes_nothing(
    signed: SignedStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, file = given_root(signed, tmp_path), bundled(signed, tmp_path / "b.tar")
    home = tmp_path / "home"
    assert install(home, STORE, root, file, "--version", "1.0.0", "--check") == 0
    assert f"fetch {STORE}/{TARBALL}" in capsys.readouterr().out
    assert not home.exists()


def test_metadata_is_held_against_the_root_and_the_clock(
    tmp_path: Path, signed: SignedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    other = SignedStore(tmp_path / "other")
    other.add(TARBALL, DATA, release("1.0.0"))
    other.publish()
    root = given_root(signed, tmp_path)
    words = ("--version", "1.0.0", "--check")
    assert install(tmp_path, STORE, root, bundled(other, tmp_path / "o.tar"), *words) == 43
    signed.timestamp.signed.expires -= timedelta(days=3)
    signed.publish()
    assert install(tmp_path, STORE, root, bundled(signed, tmp_path / "e.tar"), *words) == 40
    said = capsys.readouterr().err
    assert "metadata ran out on" in said
    assert "toolkit bundle tiny" in said


def test_a_bundle_of_another_version_than_the_one_that_is_wanted(
    signed: SignedStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed.add("tiny-v1.1.0.tar.gz", DATA, release("1.1.0"))
    signed.publish()
    root, file = given_root(signed, tmp_path), bundled(signed, tmp_path / "b.tar")
    assert install(tmp_path, STORE, root, file, "--version", "1.1.0", "--check") == 2
    assert "holds 1.0.0, and 1.1.0 is what would be installed" in capsys.readouterr().err


def test_the_opener_is_put_back(file: Path) -> None:
    check(file)
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen("http://127.0.0.1:9/x", timeout=5)
