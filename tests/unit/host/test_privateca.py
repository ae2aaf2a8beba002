"""The CA of a store's own: what is remembered of what somebody named, and when it is used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.private_ca import PrivateCa
from toolkit.host import privateca
from toolkit.host.layout import Layout
from toolkit.host.privateca import believing, named, remember

STORE = "https://store.example/agents"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "tiny").mkdir()
    return Layout(tmp_path / "tiny")


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_what_was_named_once_is_believed_from_then_on(layout: Layout, tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path)
    remember(layout, named(STORE, {"SSL_CERT_FILE": str(ca.file)}))
    assert layout.ca.read_bytes() == ca.file.read_bytes()
    ca.file.unlink()
    remember(layout, named(STORE, {}))
    with believing(layout):
        assert os.environ["SSL_CERT_FILE"] == str(layout.ca)
    assert "SSL_CERT_FILE" not in os.environ
    assert layout.ca in layout.own


def test_what_the_caller_names_goes_before(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(layout, PrivateCa(tmp_path).file.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", "/other.pem")
    with believing(layout):
        assert os.environ["SSL_CERT_FILE"] == "/other.pem"
    assert os.environ["SSL_CERT_FILE"] == "/other.pem"


def test_nothing_but_certificates_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "mixed.pem"
    public = PrivateCa(tmp_path).file.read_bytes()
    key = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    file.write_bytes(key + public + key)
    assert named(STORE, {"SSL_CERT_FILE": str(file)}) == public
    file.write_bytes(b"root:$6$hash\n")
    assert named(STORE, {"SSL_CERT_FILE": str(file)}) is None


def test_the_system_s_own_list_makes_it_forget(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(layout, PrivateCa(tmp_path).file.read_bytes())
    own = tmp_path / "ca-certificates.crt"
    own.write_bytes((tmp_path / "ca.pem").read_bytes())
    monkeypatch.setattr(privateca, "SYSTEM", (str(own),))
    remember(layout, named(STORE, {"SSL_CERT_FILE": str(own)}))
    assert not layout.ca.exists()


@pytest.mark.parametrize("store", ["http://store.example", "/srv/store"])
def test_a_store_without_tls_has_no_ca(store: str, tmp_path: Path) -> None:
    assert named(store, {"SSL_CERT_FILE": str(PrivateCa(tmp_path).file)}) is None


def test_a_file_that_is_gone_forgets_nothing(layout: Layout, tmp_path: Path) -> None:
    remember(layout, PrivateCa(tmp_path).file.read_bytes())
    remember(layout, named(STORE, {"SSL_CERT_FILE": "/nowhere.pem"}))
    assert layout.ca.exists()
