import os
import subprocess
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from securesystemslib.signer import CryptoSigner

from toolkit import keys
from toolkit.errors import NotFoundError, SigningError


def never(name: str) -> str:
    raise AssertionError(name)


def test_a_key_is_for_its_owner_alone_from_the_start(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        keys.make(tmp_path / "keys" / "a-1.pem", None)
    finally:
        os.umask(umask)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys/a-1.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys/a-1.pub").stat().st_mode & 0o777 == 0o644


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    keys.make(tmp_path / "a-1.pem", None)
    before = (tmp_path / "a-1.pem").read_bytes()
    with pytest.raises(SigningError, match="could not write the key"):
        keys.make(tmp_path / "a-1.pem", None)
    assert (tmp_path / "a-1.pem").read_bytes() == before


@pytest.mark.parametrize("passphrase", [None, "with spaces and ümlauts"])
def test_what_it_signs_the_public_half_verifies(tmp_path: Path, passphrase: str | None) -> None:
    public = keys.make(tmp_path / "a-1.pem", passphrase)
    assert keys.public_key(tmp_path / "a-1.pem") == public
    assert keys.is_encrypted(tmp_path / "a-1.pem") == bool(passphrase)
    signer = keys.open_signer("file:a-1.pem", tmp_path, {}, lambda _: passphrase or "")
    assert signer.public_key == public
    public.verify_signature(signer.sign(b"data"), b"data")


def test_openssl_reads_what_was_made(tmp_path: Path) -> None:
    keys.make(tmp_path / "a-1.pem", "secret")
    argv = ["openssl", "pkey", "-in", str(tmp_path / "a-1.pem"), "-passin", "fd:0", "-pubout"]
    done = subprocess.run(argv, input=b"secret\n", capture_output=True, check=True, timeout=20)
    assert done.stdout == (tmp_path / "a-1.pub").read_bytes()


def test_a_wrong_passphrase_is_said_and_not_shown(tmp_path: Path) -> None:
    keys.make(tmp_path / "a-1.pem", "right")
    with pytest.raises(SigningError, match="does not open") as caught:
        keys.open_signer("file:a-1.pem", tmp_path, {}, lambda _: "hunter2")
    assert "hunter2" not in f"{caught.value.message} {caught.value.why} {caught.value.hint}"


def test_an_encrypted_key_in_a_variable_asks_too(tmp_path: Path) -> None:
    public = keys.make(tmp_path / "a-1.pem", "right")
    variables = {"KEY": (tmp_path / "a-1.pem").read_text()}
    assert keys.open_signer("env:KEY", tmp_path, variables, lambda _: "right").public_key == public
    with pytest.raises(SigningError, match="does not open"):
        keys.open_signer("env:KEY", tmp_path, variables, lambda _: "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    keys.make(tmp_path / "a-1.pem", None)
    (tmp_path / "a-1.pem").chmod(mode)
    with pytest.raises(SigningError, match="others may read"):
        keys.open_signer("file:a-1.pem", tmp_path, {}, never)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:nothing.pem", "cannot be read"),
        ("file:garbage.pem", "cannot be read"),
        ("env:NOTHING", "NOTHING is not set"),
        ("env:GARBAGE", "cannot be read"),
        ("smoke:signal", "no signer is called smoke:"),
        ("gcpkms:projects/x", "the library for gcpkms: is not installed"),
        ("hashivault:x", "the library for hashivault: is not installed"),
    ],
)
def test_what_is_no_signer_is_said(tmp_path: Path, uri: str, said: str) -> None:
    (tmp_path / "garbage.pem").write_text("garbage")
    (tmp_path / "garbage.pem").chmod(0o600)
    with pytest.raises(SigningError, match=said):
        keys.open_signer(uri, tmp_path, {"GARBAGE": "garbage"}, never)


def test_without_its_public_half_a_key_says_how_to_get_it(tmp_path: Path) -> None:
    keys.make(tmp_path / "a-1.pem", None)
    (tmp_path / "a-1.pub").unlink()
    with pytest.raises(NotFoundError) as caught:
        keys.public_key(tmp_path / "a-1.pem")
    assert "openssl pkey" in caught.value.hint
    (tmp_path / "a-1.pub").write_text("garbage")
    with pytest.raises(SigningError, match="cannot be read"):
        keys.public_key(tmp_path / "a-1.pem")


def test_a_key_of_a_cloud_signs_and_comes_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        made = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
        uri = f"awskms:{made['KeyMetadata']['KeyId']}"
        signer = keys.open_signer(uri, tmp_path, {}, never)
        # moto hashes once more what it is to sign, so what it gives does not verify.
        assert signer.sign(b"data").keyid == signer.public_key.keyid
        with pytest.raises(SigningError, match="cannot be used"):
            keys.open_signer("awskms:nothing", tmp_path, {}, never)
    note = keys.note(signer.public_key)  # type: ignore[arg-type]
    assert note is not None
    assert "can check Ed25519 only" in note
    assert keys.note(CryptoSigner.generate_ed25519().public_key) is None
