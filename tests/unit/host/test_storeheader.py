"""The header of a private store: read from a private file alone, sent to that store alone."""

from __future__ import annotations

import hashlib
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.host import cli, fetch
from toolkit.host.errors import AgentctlError, DownloadFailed, NotPermitted, UsageError
from toolkit.host.fetch import Source, download
from toolkit.host.locate import parse_addresses, pinned
from toolkit.host.metadata import MetadataFetcher
from toolkit.host.storeheader import _check_private, read_header, sending

DATA = b"a release"
SHA256 = hashlib.sha256(DATA).hexdigest()
SECRET = "t0ken-nobody-may-see"
LINE = f"Authorization: Bearer {SECRET}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "header", LINE)


def write(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text, "utf-8")
    return file


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreServer]:
    monkeypatch.setattr(fetch, "PAUSES", ())
    with StoreServer(folder(tmp_path / "store")) as server:
        server.wanted_header = ("Authorization", f"Bearer {SECRET}")
        yield server


@pytest.fixture
def other(tmp_path: Path) -> Iterator[StoreServer]:
    """Another origin on the same machine: its port differs."""
    with StoreServer(folder(tmp_path / "other")) as server:
        yield server


def folder(path: Path) -> Path:
    path.mkdir()
    (path / "file").write_bytes(DATA)
    return path


def get(store: StoreServer, target: Path) -> None:
    download(Source(f"{store.url}/file", SHA256), target, lambda _, __: None)


def test_a_header_is_read_and_not_shown(file: Path) -> None:
    header = read_header(file)
    assert (header.name, header.value) == ("Authorization", f"Bearer {SECRET}")
    assert SECRET not in repr(header)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602, 0o666])
def test_a_file_that_others_may_use_is_refused(mode: int, file: Path) -> None:
    file.chmod(mode)
    with pytest.raises(NotPermitted, match="others may read") as caught:
        read_header(file)
    assert f"chmod 600 {file}" in caught.value.hint


def test_somebody_elses_file_is_refused_but_not_that_of_who_called_sudo(file: Path) -> None:
    facts = list(file.stat())
    facts[stat.ST_UID] = 4242
    for sudo_uid in ("", "4243", "x"):
        with pytest.raises(NotPermitted, match="owned by somebody else"):
            _check_private(file, os.stat_result(facts), {"SUDO_UID": sudo_uid})
    if os.geteuid() == 0:  # a user could set SUDO_UID to anything
        _check_private(file, os.stat_result(facts), {"SUDO_UID": "4242"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        SECRET,
        f"Authorization {SECRET}",
        f": {SECRET}",
        f"Authorization:\n{SECRET}",
        f"Authorization: {SECRET}\nX-Other: {SECRET}\n",
        f"Authorization: {SECRET}\r\n",
        f"Authorization: {SECRET}\0",
        f"Authorization: {SECRET}é",
        f"Author ization: {SECRET}",
        "Authorization:   ",
        "A: " + "b" * 20_000,
    ],
)
def test_what_is_no_header_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not hold a header") as caught:
        read_header(write(tmp_path / "header", text))
    assert SECRET not in caught.value.message + caught.value.hint


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_header(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="no plain file"):
        read_header(tmp_path / "pipe")


def test_a_folder_takes_no_header(file: Path) -> None:
    with pytest.raises(UsageError, match="takes no header"), sending(file, "/srv/store"):
        pass


@pytest.mark.parametrize(
    "url",
    [
        "http://store.example/agents",
        "HTTP://STORE.EXAMPLE",
        "http://192.0.2.1:8000",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@store.example",
        "http://[2001:db8::1]/",
    ],
)
def test_nothing_is_sent_where_the_network_could_read_it(url: str, file: Path) -> None:
    with pytest.raises(NotPermitted, match="is not https") as caught, sending(file, url):
        pass
    assert "--store-header-over-http" in caught.value.hint
    with sending(file, url, over_http=True):
        pass


@pytest.mark.parametrize(
    "url",
    [
        "https://store.example",
        "http://localhost:8000/agents",
        "http://127.0.0.1",
        "http://127.8.8.8:1",
        "http://[::1]:8000/",
    ],
)
def test_loopback_and_https_take_it(url: str, file: Path) -> None:
    with sending(file, url):
        pass


def test_agentctl_refuses_plain_http(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["install", "tiny", "--home", "/nonexistent", "--store", "http://store.example"]
    words += ["--version", "1", "--tarball", "any", "file", SHA256]
    assert cli.main([*words, "--store-header-file", str(file)]) == NotPermitted.exit_code
    assert "is not https" in capsys.readouterr().err


def test_tarballs_and_metadata_are_fetched_with_it_and_nothing_afterwards(
    store: StoreServer, file: Path, tmp_path: Path
) -> None:
    with sending(file, store.url + "/agents"):
        get(store, tmp_path / "target")
        assert MetadataFetcher().download_bytes(f"{store.url}/file", 100) == DATA
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{store.url}/file")


def test_a_redirect_to_another_origin_gets_no_header(
    store: StoreServer, other: StoreServer, file: Path, tmp_path: Path
) -> None:
    store.redirects_to = other.url
    with sending(file, store.url):
        get(store, tmp_path / "target")
        assert MetadataFetcher().download_bytes(f"{store.url}/file", 100) == DATA
    assert SECRET in str(store.seen)
    assert other.requests
    assert SECRET not in str(other.seen)


def test_a_redirect_back_to_the_store_gets_it_again(
    store: StoreServer, other: StoreServer, file: Path, tmp_path: Path
) -> None:
    other.redirects_to = store.url
    with sending(file, store.url):
        get(other, tmp_path / "target")
    assert SECRET not in str(other.seen)
    assert (tmp_path / "target").read_bytes() == DATA


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_file_and_not_its_content(
    status: int, store: StoreServer, file: Path, tmp_path: Path
) -> None:
    store.fail(status)
    with sending(file, store.url):
        with pytest.raises(DownloadFailed, match=f"the header in {file} may be wrong") as caught:
            get(store, tmp_path / "target")
        assert SECRET not in caught.value.message + caught.value.hint
        with pytest.raises(Exception, match=f"the header in {file} may be wrong"):
            MetadataFetcher().download_bytes(f"{store.url}/file", 100)


def test_another_stores_refusal_says_nothing_of_the_header(
    store: StoreServer, other: StoreServer, file: Path, tmp_path: Path
) -> None:
    store.redirects_to = other.url
    other.fail(403)
    with sending(file, store.url), pytest.raises(AgentctlError) as caught:
        get(store, tmp_path / "target")
    assert "may be wrong" not in caught.value.message


def test_agentctl_refuses_an_open_file_before_anything_is_asked(
    store: StoreServer, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.chmod(0o644)
    home = tmp_path / "home"
    words = ["install", "tiny", "--home", str(home), "--store", store.url, "--version", "1"]
    words += ["--tarball", "any", "file", SHA256, "--store-header-file", str(file)]
    assert cli.main(words) == NotPermitted.exit_code
    assert "others may read" in capsys.readouterr().err
    assert store.requests == []
    assert not home.exists()


def test_a_wrong_header_is_told_where_metadata_is_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = SignedStore(tmp_path / "signed")
    signed.add("tiny-v1.0.0.tar.gz", DATA, release("1.0.0"))
    signed.publish()
    root = tmp_path / "root.json"
    root.write_bytes(signed.root_bytes())
    wrong = write(tmp_path / "wrong", f"Authorization: Bearer other-{SECRET}\n")
    with StoreServer(signed.folder) as server:
        server.wanted_header = ("Authorization", f"Bearer {SECRET}")
        words = ["install", "tiny", "--home", str(tmp_path / "home"), "--store", server.url]
        words += ["--version", "1.0.0", "--root", str(root), "--store-header-file", str(wrong)]
        assert cli.main(words) == DownloadFailed.exit_code
    error = capsys.readouterr().err
    assert f"the header in {wrong} may be wrong" in error
    assert SECRET not in error


def test_a_signed_address_is_used_and_its_signature_not_shown(
    store: StoreServer, tmp_path: Path
) -> None:
    store.wanted_header = None
    store.wants_signature = True
    query = f"X-Amz-Signature={SECRET}"
    addresses = parse_addresses(f"file {store.url}/file?{query}\0".encode())
    source = pinned([["any", "file", SHA256]], store.url, "1", addresses).source
    download(source, tmp_path / "target", lambda _, __: None)
    assert (tmp_path / "target").read_bytes() == DATA
    assert SECRET not in repr(source)
    store.fail(403)
    with pytest.raises(DownloadFailed, match="answered 403") as caught:
        download(source, tmp_path / "target2", lambda _, __: None)
    assert "may have run out" in caught.value.hint
    assert SECRET not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("record", ["file", "file ftp://x/y", "file http://x/a b", "f http://x/\n"])
def test_what_is_no_address_is_refused_and_not_repeated(record: str) -> None:
    with pytest.raises(UsageError, match="not of the form FILE URL"):
        parse_addresses(record.encode())
