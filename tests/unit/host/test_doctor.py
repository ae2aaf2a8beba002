"""`agentctl doctor`: what each check says of what it finds."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.installed import put_service
from tests.support.need import need_command
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore
from toolkit.host import checks_host, cli, storeanswer
from toolkit.host.address import public
from toolkit.host.checks import Check, length, size
from toolkit.host.checks_host import check_disk, check_last_run, check_permissions
from toolkit.host.checks_store import (
    check_clock,
    check_dns,
    check_proxy,
    check_store,
    check_trust,
)
from toolkit.host.layout import Layout
from toolkit.host.lock import locked
from toolkit.host.state import State, read_state
from toolkit.host.storeanswer import Answer, ask, asked_for

NOW = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)
URL = "https://store.example/tiny"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = put_service(tmp_path / "tiny", store=URL)
    layout.agentctl.write_bytes(b"engine")
    layout.releases.mkdir()
    return layout


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreServer]:
    (tmp_path / "store").mkdir()
    with StoreServer(tmp_path / "store") as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def state_of(layout: Layout) -> State:
    state = read_state(layout)
    assert state is not None
    return state


def said(check: Check) -> str:
    return f"{check.level}: {check.what} | {check.why} | {check.do}"


@pytest.mark.parametrize(
    ("off", "kept", "level", "text"),
    [
        (timedelta(seconds=3), "chrony", "ok", "within 60 s of the store's; chrony keeps it right"),
        (timedelta(seconds=3), "", "warn", "nothing keeps this host's clock right"),
        (timedelta(minutes=5), None, "warn", "5 min ahead of the store's"),
        (timedelta(hours=-5), None, "fail", "5 h behind the store's"),
        (timedelta(days=400), None, "fail", "sudo date --set '2025-03-31 12:00 UTC'"),
        (timedelta(days=400), "chrony", "warn", "the store's may be wrong"),
    ],
)
def test_the_clock(off: timedelta, kept: str | None, level: str, text: str) -> None:
    check = check_clock(Answer(URL, 200, NOW - off), NOW, kept)
    assert check.level == level
    assert text in said(check)


def test_a_clock_that_can_not_be_compared() -> None:
    assert check_clock(Answer(URL), NOW, None).level == "ok"
    assert check_clock(None, NOW, "").level == "warn"


def test_a_store_that_has_its_file(layout: Layout, store: StoreServer) -> None:
    url = asked_for(layout, store.url)
    (store.root / url.rpartition("/")[2]).write_bytes(b"engine")
    answer = ask(url)
    assert check_store(answer).level == "ok"
    assert answer.at is not None
    assert abs(datetime.now(UTC) - answer.at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("status", "level", "text"),
    [
        (403, "warn", "--store-header-file"),
        (404, "warn", "get a new install script"),
        (503, "fail", "try again in some minutes"),
    ],
)
def test_a_store_that_refuses(
    layout: Layout, store: StoreServer, status: int, level: str, text: str
) -> None:
    store.fail(status)
    check = check_store(ask(asked_for(layout, store.url)))
    assert check.level == level
    assert text in said(check)


def test_a_store_that_hangs_holds_nobody(
    layout: Layout, store: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storeanswer, "SECONDS", 0.3)
    (store.root / "file").write_bytes(b"x" * 1000)
    store.hang("file", after=10)
    check = check_store(ask(f"{store.url}/file"))
    assert check.level == "fail"
    assert "did not answer within" in check.what


def test_a_store_where_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        check = check_store(ask(f"http://127.0.0.1:{unused.getsockname()[1]}/file"))
    assert check.level == "fail"
    assert "nothing listens there" in check.what


def test_a_folder_as_store(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert check_store(ask(asked_for(layout, str(tmp_path / "folder")))).level == "fail"
    assert "folder" in check_dns(str(tmp_path / "folder")).what


@contextmanager
def tls_store(folder: Path) -> Iterator[str]:
    """Serve an empty folder by TLS, with a certificate that nobody's authority signed."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate)),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/cert.none"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_authority_that_this_host_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_command("openssl")
    with tls_store(tmp_path) as url:
        answer = ask(url)
        check = check_store(answer)
        assert check.level == "fail"
        assert "the certificate of https://127.0.0.1" in check.what
        assert "no authority that this host knows" in check.why
        assert "update-ca-certificates" in check.do
        assert answer.at is not None  # the clock is compared all the same
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert check_store(ask(url)).level in ("ok", "warn")


def test_plain_http_where_tls_was_expected(store: StoreServer) -> None:
    check = check_store(ask(store.url.replace("http://", "https://") + "/file"))
    assert check.level == "fail"
    assert "does not speak TLS" in check.what


def test_names() -> None:
    def fails(number: int) -> object:
        raise socket.gaierror(number, "no")

    assert check_dns("http://127.0.0.1:1").level == "ok"
    assert check_dns(URL, lambda _: None).what == "the store's name, store.example, is known"
    unknown = check_dns(URL, lambda _: fails(socket.EAI_NONAME))
    assert "is known to no name server" in unknown.what
    silent = check_dns(URL, lambda _: fails(socket.EAI_AGAIN))
    assert "no name server answers" in silent.what
    assert {unknown.level, silent.level} == {"fail"}


def test_a_name_server_that_is_silent_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.host.checks_store.SECONDS", 0.1)
    answer = threading.Event()
    assert check_dns(URL, lambda _: answer.wait(60)).level == "fail"
    answer.set()


def test_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_proxy(URL).what == "none is used"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://me:hunter22@127.0.0.1:{port}")
        used = check_proxy(URL)
        assert used.level == "ok"
        assert f"http://127.0.0.1:{port}" in used.what
        assert check_dns(URL).what.startswith("127.0.0.1 is an address")
    gone = check_proxy(URL)
    assert gone.level == "fail"
    assert "takes no connection" in gone.what
    assert "hunter22" not in said(used) + said(gone)
    monkeypatch.setenv("no_proxy", "store.example")
    assert "https_proxy does not count for this store" in check_proxy(URL).what


def test_trust(layout: Layout, tmp_path: Path) -> None:
    assert "no signed metadata" in check_trust(layout, None, NOW).what
    signed = SignedStore(tmp_path / "signed")
    layout.trust.mkdir()
    (layout.trust / "root.json").write_bytes(signed.root_bytes())
    body = (signed.metadata / "timestamp.json").read_bytes()
    (layout.trust / "timestamp.json").write_bytes(body)
    now, answer = signed.now, Answer(URL, 200, signed.now, body)
    assert "root 1 is good until" in check_trust(layout, answer, now).what
    stale = check_trust(layout, answer, now + timedelta(days=2))
    assert (stale.level, "toolkit refresh" in stale.do) == ("fail", True)
    assert check_trust(layout, None, now + timedelta(days=2)).level == "warn"
    assert check_trust(layout, answer, now + timedelta(days=340)).level == "warn"
    assert check_trust(layout, answer, now + timedelta(days=370)).level == "fail"
    (layout.trust / "root.json").write_text("{", "utf-8")
    assert check_trust(layout, answer, now).level == "fail"


def test_the_secrets_file_is_closed(layout: Layout) -> None:
    layout.env.write_text("A=1\n", "utf-8")
    layout.env.chmod(0o644)
    check = check_permissions(layout, state_of(layout))
    assert check.level == "fail"
    assert "(mode 0644)" in check.what
    assert f"sudo chmod 600 {layout.env}" in check.do
    layout.env.chmod(0o600)
    assert check_permissions(layout, state_of(layout)).level == "ok"


def test_a_service_that_may_change_its_release(tmp_path: Path) -> None:
    layout = put_service(tmp_path / "tiny", user="nobody")
    for folder in (layout.home, layout.release("1.0.0")):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    layout.current.symlink_to("releases/1.0.0")
    layout.agentctl.touch()
    assert check_permissions(layout, state_of(layout)).level == "ok"
    program = layout.release("1.0.0") / "agent.py"
    program.touch()
    program.chmod(0o666)
    check = check_permissions(layout, state_of(layout))
    assert check.level == "fail"
    assert "agent.py" in check.what


def test_room(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_disk(layout).level == "ok"
    monkeypatch.setattr(checks_host, "LEAST", 10**18)
    full = check_disk(layout)
    assert (full.level, "sudo du -xh" in full.do) == ("fail", True)


def test_the_last_run(tmp_path: Path) -> None:
    layout = put_service(tmp_path / "tiny")
    assert check_last_run(layout, state_of(layout)).level == "ok"
    with locked(layout):
        assert "right now" in check_last_run(layout, state_of(layout)).what
    layout.incoming.mkdir()
    assert "left incoming" in check_last_run(layout, state_of(layout)).what
    cut = put_service(tmp_path / "cut", outcome="installing", reason="start is under way")
    assert "cut off: start is under way" in check_last_run(cut, state_of(cut)).what


def test_the_whole_as_text_and_as_json(
    layout: Layout, capsys: pytest.CaptureFixture[str], store: StoreServer
) -> None:
    store.fail(503)
    words = ["doctor", "--home", str(layout.home), "--store", store.url]
    assert cli.main(words) == 3
    text = capsys.readouterr().out
    assert "FAIL  store" in text
    assert "do:  try again in some minutes" in text
    assert text.splitlines()[-1].endswith("warnings") or text.splitlines()[-1].endswith("warning")
    assert cli.main([*words, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert {"name": "store", "level": "fail"}.items() <= found["checks"][-2].items()


def test_no_service_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--home", str(tmp_path)]) == 2
    assert "no service is installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pw@store:8443/a?X-Amz-Signature=1#x", "https://store:8443/a"),
        ("/srv/store", "/srv/store"),
        ("http://store", "http://store"),
    ],
)
def test_addresses_are_kept_without_secrets(address: str, shown: str) -> None:
    assert public(address) == shown


def test_how_lengths_are_said() -> None:
    assert [length(timedelta(seconds=s)) for s in (3, 119, 240, 8000, 900000)] == [
        *("3 s", "119 s", "4 min", "2 h", "10 days"),
    ]
    assert [size(n) for n in (12, 4_200, 42_000_000, 3e12)] == [
        *("12 bytes", "4.2 kB", "42 MB", "3.0 TB"),
    ]
