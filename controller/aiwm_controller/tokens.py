"""Tokens: JWTs of users, agents and sessions, and random ones that are kept as hashes.

The claims are those of IAM's TokenData, so that other services can verify them.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import jwt

from aiwm_controller.errors import Unauthorized

Kind = Literal["user", "agent", "session"]
_ALGORITHM = "HS256"
_CLAIMS = ["sub", "type", "orgId", "iat", "exp", "generation"]


@dataclass(frozen=True)
class Bearer:
    """Whom a token is of; `generation` ends it before its time."""

    kind: Kind
    id: str
    org_id: str
    roles: tuple[str, ...]
    generation: int
    username: str = ""
    status: str = "active"
    group_id: str = ""


class Tokens:
    """Signs and verifies with one key."""

    def __init__(self, key: str) -> None:
        self._key = key

    def issue(self, bearer: Bearer, *, now: datetime, seconds: int) -> str:
        """Sign a token for `bearer` that holds for `seconds` from `now`."""
        begin = int(now.timestamp())
        claims = {
            "sub": bearer.id,
            "username": bearer.username,
            "status": bearer.status,
            "roles": list(bearer.roles),
            "orgId": bearer.org_id,
            "groupId": bearer.group_id,
            "agentId": bearer.id if bearer.kind == "agent" else "",
            "userId": "" if bearer.kind == "agent" else bearer.id,
            "type": bearer.kind,
            "generation": bearer.generation,
            "iat": begin,
            "exp": begin + seconds,
        }
        return jwt.encode(claims, self._key, _ALGORITHM)

    def verify(self, token: str, *kinds: Kind) -> Bearer:
        """Give whom `token` is of; raises Unauthorized where it is none of `kinds` or not ours."""
        return self.verify_until(token, *kinds)[0]

    def verify_until(self, token: str, *kinds: Kind) -> tuple[Bearer, int]:
        """Give the same, and when the token expires in seconds since 1970."""
        claims = self._claims(token)
        if claims["type"] not in kinds:
            wanted = " or ".join(kinds)
            raise Unauthorized(f"this is the token of a {claims['type']}, not of a {wanted}")
        bearer = Bearer(
            kind=claims["type"],
            id=claims["sub"],
            org_id=claims["orgId"],
            roles=tuple(claims.get("roles", ())),
            generation=claims["generation"],
            username=claims.get("username", ""),
        )
        return bearer, int(claims["exp"])

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token, self._key, [_ALGORITHM], options={"require": _CLAIMS, "verify_iat": False}
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("the token has expired", hint="log in or connect again") from error
        except (jwt.InvalidTokenError, ValueError) as error:
            raise Unauthorized("the token is not valid") from error


def new_secret() -> str:
    """Make an agent's secret: 32 random bytes as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def new_token(prefix: str) -> str:
    """Make a random token whose prefix says what it is for."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def fingerprint(token: str) -> str:
    """Give what is stored in place of a random token; its 256 bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
