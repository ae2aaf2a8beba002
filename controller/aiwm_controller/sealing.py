"""Secrets that the controller has to read again: encrypted, so that the tables alone show none."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aiwm_controller.errors import Conflict, Unauthorized


def seal(text: str, token: str) -> bytes:
    """Encrypt `text` so that it opens by `token` alone."""
    return _cipher(token, b"aiwm install token").encrypt(text.encode())


def unseal(sealed: bytes, token: str) -> str:
    """Open what was sealed by `token`."""
    try:
        return _cipher(token, b"aiwm install token").decrypt(sealed).decode()
    except InvalidToken as error:
        raise Unauthorized("the token does not open this") from error


class Sealer:
    """Seals by the first of its keys, and opens by any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._ciphers = MultiFernet([_cipher(key, b"aiwm sealed secret") for key in keys])

    def seal(self, text: str) -> bytes:
        """Encrypt `text`."""
        return self._ciphers.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Open what was sealed; raises Conflict where no key that is known here does."""
        try:
            return self._ciphers.decrypt(sealed).decode()
        except InvalidToken as error:
            raise Conflict(
                "a stored secret can't be opened",
                hint="start with the AIWM_SEALING_KEY that it was sealed by, or set it again",
            ) from error


def _cipher(key: str, purpose: bytes) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=purpose).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
