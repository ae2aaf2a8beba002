"""What of a set of metadata is near its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from toolkit.trust.model import Lifetimes, Repository

# What has less than this part of its lifetime left is near its end.
NEAR = 3


@dataclass(frozen=True)
class Due:
    """When a role's metadata expires; `near` and `expired` as of a moment."""

    role: str
    expires: datetime
    near: bool
    expired: bool

    def __str__(self) -> str:
        when = self.expires.strftime("%Y-%m-%d %H:%M UTC")
        return f"{self.role} {'expired' if self.expired else 'expires'} {when}"


def due(repository: Repository, lifetimes: Lifetimes, now: datetime) -> Iterator[Due]:
    """Give each role's expiry, from the root down."""
    for role, payload in repository.payloads():
        left = payload.expires - now
        near = left < lifetimes.of(role) / NEAR
        yield Due(role, payload.expires, near=near, expired=payload.is_expired(now))
