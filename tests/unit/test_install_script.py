"""What an install script trusts: a root that was checked as hosts check it, or pinned hashes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
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
from toolkit.install_script import Choices, Presign, render_for
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


def addresses(names: Sequence[str]) -> dict[str, str]:
    return {name: f"{URL}/{name}?X-Amz-Signature=s3cret&x=1" for name in names}


def test_signed_addresses_do_not_go_with_signed_metadata(spec: AgentSpec, tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store")
    presign = Presign(addresses, datetime.now(UTC))
    with pytest.raises(ConfigError) as caught:
        render_for(spec, tmp_path, Choices("", root=signed.root_bytes(), presign=presign))
    assert "STORE_HEADER_FILE=FILE" in caught.value.hint


STORE = """
[stores.private]
type = "s3"
bucket = "agents"
prefix = "x"
endpoint = "http://127.0.0.1:9"
region = "auto"
"""


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a built release, and a bucket without a public address."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    (tmp_path / "toolkit.toml").write_text(STORE, "utf-8")
    dist = tmp_path / "release" / "dist"
    dist.mkdir(parents=True)
    name = "glances-v4.5.8-linux-x64.tar.gz"
    (dist / f"{name}.sha256").write_text(f"{'ab' * 32}  {name}\n", "utf-8")
    return tmp_path


def presigned_script(project: Path, *more: str) -> Path:
    output = project / "install.sh"
    words = ["render", "install-script", "glances", "--presign", "24", "--project", str(project)]
    done = CliRunner().invoke(main, [*words, "--output", str(output), *more])
    assert done.exit_code == 0, done.output
    return output


def test_a_script_with_signed_addresses_is_its_owners_and_says_when_it_ends(private: Path) -> None:
    script = presigned_script(private)
    text = script.read_text("utf-8")
    assert stat.S_IMODE(script.stat().st_mode) == 0o700
    assert f"# Works until: {datetime.now(UTC).year}" in text
    assert "readonly STORE=http://127.0.0.1:9/agents/x\n" in text
    assert text.count("X-Amz-Expires=86400") == 2
    assert "hunter2" not in text
    for command in (["bash", "-n"], ["shellcheck"]):
        subprocess.run([*command, str(script)], check=True)


def test_temporary_credentials_are_told(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "passing")
    assert "temporary credentials that signed it" in presigned_script(private).read_text("utf-8")


@pytest.mark.parametrize(
    ("store", "over_http", "code"),
    [
        ("http://store.example", "", 11),
        ("http://store.example", "1", 0),
        ("HTTP://store.example", "", 11),
        ("http://127.0.0.1.example/x", "", 11),
        ("http://localhost@store.example/", "", 11),
        ("http://127.0.0.1:8000/agents", "", 0),
        ("http://localhost", "", 0),
        ("http://[::1]:8000/agents", "", 0),
        ("https://store.example", "", 0),
    ],
)
def test_the_script_sends_no_header_where_the_network_could_read_it(
    store: str, over_http: str, code: int, spec: AgentSpec, tmp_path: Path
) -> None:
    signed = SignedStore(tmp_path / "store")
    text = render_for(spec, tmp_path, Choices(URL, root=signed.root_bytes())).text
    assert text.count(f"readonly STORE={URL}\n") == 1
    text = text.replace(f"readonly STORE={URL}\n", f"readonly STORE='{store}'\n")
    header = tmp_path / "header"
    header.write_text("Authorization: Bearer x\n", "utf-8")
    header.chmod(0o600)
    script = tmp_path / "install.sh"
    as_owner = 'as_owner() { "$@"; }\ncheck_header_file\n}\n'
    script.write_text(text.removesuffix('main "$@"\n}\n') + as_owner, "utf-8")
    environ = {"STORE_HEADER_FILE": str(header), "STORE_HEADER_OVER_HTTP": over_http}
    done = subprocess.run(
        ["bash", str(script)],
        env={**os.environ, **environ},
        check=False,
        timeout=20,
        capture_output=True,
    )
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("program", ["curl", "wget"])
def test_signed_addresses_are_in_no_argument_list(
    program: str, private: Path, tmp_path: Path
) -> None:
    """The download itself runs, with a program that notes its arguments and its input."""
    text = presigned_script(private).read_text("utf-8").removesuffix('main "$@"\n}\n')
    path = tmp_path / "bin"
    path.mkdir()
    spy = path / program
    spy.write_text('#!/bin/bash\nprintf "%s\\n" "$@" >"$SPY.argv"\ncat >"$SPY.input"\n', "utf-8")
    spy.chmod(0o755)
    (path / "cat").symlink_to("/bin/cat")
    file = tmp_path / "sourced.sh"
    file.write_text(f'{text}\nPATH={path}\ndownload "$AGENTCTL_ADDRESS" to\n}}\n', "utf-8")
    environ = {**os.environ, "SPY": str(tmp_path / "spy")}
    subprocess.run(["bash", str(file)], check=True, env=environ, timeout=20)
    assert "X-Amz" not in (tmp_path / "spy.argv").read_text("utf-8")
    assert "X-Amz-Signature=" in (tmp_path / "spy.input").read_text("utf-8")
