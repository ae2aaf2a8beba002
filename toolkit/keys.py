"""Private keys: making them, reading them, and signing by what holds them.

A key of our own is Ed25519, in a PKCS#8 PEM file that only its owner can read; its public half
stands beside it with the suffix .pub, so that nobody has to open a key to tell which one it is.
Keys that stay elsewhere are named by a URI of securesystemslib.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import (
    AWSSigner,
    AzureSigner,
    CryptoSigner,
    GCPSigner,
    Signer,
    SSlibKey,
    VaultSigner,
)

from toolkit.errors import NotFoundError, SigningError

FILE, ENVIRONMENT = "file", "env"
ED25519 = "ed25519"
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
# Gives the passphrase of the key that is named, or raises SigningError where nobody can be asked.
Ask = Callable[[str], str]


def make(path: Path, passphrase: str | None) -> SSlibKey:
    """Make a key pair in a new file, encrypted where there is a passphrase; give the public key.

    Raises SigningError where the file is there already or cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, pem, 0o600)
        _write_new(public_file(path), public, 0o644)
    except OSError as error:
        raise SigningError(
            f"could not write the key {path}",
            why=error.strerror or str(error),
            hint="a key is never overwritten: name another folder, or move the old key away",
        ) from error
    return SSlibKey.from_crypto(private.public_key())


def public_file(path: Path) -> Path:
    """Name the file with the public half of the key in `path`."""
    return path.with_suffix(".pub")


def public_key(path: Path) -> SSlibKey:
    """Read the public half that stands beside the private key `path`.

    Raises NotFoundError where there is none, SigningError where it is no public key.
    """
    file = public_file(path)
    try:
        return SSlibKey.from_crypto(load_pem_public_key(file.read_bytes()))
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no {file}",
            why="the public half of a key stands beside it",
            hint=f"write it: openssl pkey -in {path} -pubout -out {file}",
        ) from error
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(str(file), str(error)) from error


def open_signer(uri: str, project: Path, environ: Mapping[str, str], ask: Ask) -> Signer:
    """Open the signer that `uri` names; a relative path counts from the folder `project`.

    `file:PATH` and `env:NAME` hold a PEM; gcpkms:, awskms:, azurekms: and hashivault: a key that
    never leaves the service.

    Raises SigningError where it cannot be opened.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == FILE:
        path = project / Path(rest).expanduser()
        return _from_pem(_read_private(path), str(path), ask)
    if scheme == ENVIRONMENT:
        pem = environ.get(rest, "")
        if not pem:
            raise SigningError(
                f"the variable {rest} is not set",
                why=f"the signer {uri} takes its private key from it",
                hint="set it to the text of a PEM file, from where your CI keeps secrets",
            )
        return _from_pem(pem.encode(), uri, ask)
    return _from_service(scheme, rest, uri)


def is_encrypted(path: Path) -> bool:
    """Tell whether the key in `path` needs a passphrase."""
    return _read_private(path).lstrip().startswith(_ENCRYPTED)


def note(key: SSlibKey) -> str | None:
    """Say what a person should know of a public key before it signs for hosts."""
    if key.keytype == ED25519:
        return None
    return (
        f"the key {key.keyid[:12]} is {key.keytype}: hosts without Python's cryptography package "
        "can check Ed25519 only, and would refuse what it signs"
    )


def _from_pem(pem: bytes, place: str, ask: Ask) -> CryptoSigner:
    encrypted = pem.lstrip().startswith(_ENCRYPTED)
    password = ask(place).encode() if encrypted else None
    try:
        private = load_pem_private_key(pem, password)
        return CryptoSigner(private)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise SigningError(
                f"the key {place} does not open",
                why="the passphrase is wrong, or the file is damaged",
                hint="run it again with the passphrase that the key was made with",
            ) from error
        raise _unreadable(place, "it is no private key in PKCS#8 PEM") from error


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if stat.S_IMODE(facts.st_mode) & 0o077:
                raise SigningError(
                    f"others may read the private key {path}",
                    why=f"its mode is {stat.S_IMODE(facts.st_mode):04o}",
                    hint=f"chmod 600 {path}; make a new key if others may have seen it: "
                    "docs/keys.md, Recovery",
                )
            return file.read()
    except OSError as error:
        raise _unreadable(str(path), error.strerror or str(error)) from error


def _from_service(scheme: str, rest: str, uri: str) -> Signer:
    services = {
        "awskms": lambda: AWSSigner.import_(rest),
        "azurekms": lambda: AzureSigner.import_(*rest.removeprefix("//").split("/", 1)),
        "gcpkms": lambda: GCPSigner.import_(rest),
        "hashivault": lambda: VaultSigner.import_(rest),
    }
    if scheme not in services:
        known = ", ".join(f"{name}:" for name in (FILE, ENVIRONMENT, *services))
        raise SigningError(
            f"no signer is called {scheme}:",
            why=f"the signer {uri} must start with one of {known}",
            hint="mend it in [trust] of toolkit.toml",
        )
    try:
        private, public = services[scheme]()
        return Signer.from_priv_key_uri(private, public)
    except UnsupportedLibraryError as error:
        raise SigningError(
            f"the library for {scheme}: is not installed",
            why=str(error),
            hint="install what securesystemslib names for it, beside toolkit",
        ) from error
    # The services' libraries have no common root of their errors.
    except Exception as error:
        raise SigningError(
            f"the signer {uri} cannot be used",
            why=f"{type(error).__name__}: {error}",
            hint="check the key's name and this machine's credentials for the service",
        ) from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet, and bring it to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _unreadable(place: str, why: str) -> SigningError:
    return SigningError(
        f"the key {place} cannot be read",
        why=why,
        hint="bring the key's file, or name where it is in [trust] of toolkit.toml",
    )
