"""What an install script trusts: a root that was checked as hosts check it, or pinned hashes."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Timestamp

from tests.support.signed_store import SignedStore
from toolkit import engine
from toolkit.cli import main
from toolkit.config import parse_agent
from toolkit.errors import ConfigError, IntegrityError, NotFoundError
from toolkit.host.roots import parse_root
from toolkit.install_script import Choices, render_for
from toolkit.spec import AgentSpec

TOP = Path(__file__).parent.parent.parent
URL = "https://cdn.example.com/agents"


@pytest.fixture
def spec() -> AgentSpec:
    file = TOP / "release" / "glances.toml"
    return parse_agent(file.read_text("utf-8"), file=str(file))


def root_in(script: str) -> bytes:
    return script.split("readonly ROOT='", 1)[1].split("'", 1)[0].encode()


def test_the_root_in_the_script_is_the_one_that_was_given(spec: AgentSpec, tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store")
    text = render_for(spec, tmp_path, Choices(URL, root=signed.root_bytes())).text
    assert parse_root(root_in(text)).signed_bytes == parse_root(signed.root_bytes()).signed_bytes
    assert f"readonly AGENTCTL_SHA256={engine.build().sha256}" in text
    assert f"readonly VERSION={spec.release_version}" in text
    assert "TARBALLS" not in text


def test_a_channel_stands_in_place_of_the_version(spec: AgentSpec, tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store")
    choices = Choices(URL, root=signed.root_bytes(), channel="beta")
    text = render_for(spec, tmp_path, choices).text
    assert "readonly CHANNEL=beta" in text
    assert "$VERSION" not in text


def test_a_channel_needs_a_root(spec: AgentSpec, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        render_for(spec, tmp_path, Choices(URL, channel="stable"))
    assert "needs the store's root metadata" in caught.value.message


def test_without_a_root_a_release_must_be_built(spec: AgentSpec, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        render_for(spec, tmp_path, Choices(URL))


def test_what_is_no_root_is_refused(spec: AgentSpec, tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store")
    changed = json.loads(signed.root_bytes())
    changed["signed"]["version"] = 7
    for data in (b"", b"{}", json.dumps(changed).encode()):
        with pytest.raises(IntegrityError):
            render_for(spec, tmp_path, Choices(URL, root=data))


def test_keys_that_hosts_cannot_verify_with_are_named(spec: AgentSpec, tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store")
    key = CryptoSigner(rsa.generate_private_key(65537, 2048)).public_key
    for keyid in list(signed.root.signed.roles[Timestamp.type].keyids):
        signed.root.signed.revoke_key(keyid, Timestamp.type)
    signed.root.signed.add_key(key, Timestamp.type)
    signed.write_root()
    with pytest.raises(ConfigError) as caught:
        render_for(spec, tmp_path, Choices(URL, root=signed.root_bytes()))
    assert "timestamp" in caught.value.message
    assert "Ed25519" in caught.value.why


def test_the_command_takes_the_root_from_a_file(tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store")
    output = tmp_path / "install.sh"
    done = CliRunner().invoke(
        main,
        [
            *("render", "install-script", "glances", "--store", URL, "--channel", "stable"),
            *("--root", str(signed.metadata / "1.root.json"), "--output", str(output)),
        ],
    )
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(output.stat().st_mode) == 0o755
    assert b'"_type": "root"' in root_in(output.read_text("utf-8"))
