"""Values that nobody may read by accident."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """Shows a fingerprint of its value; the value only where it is asked for by name."""

    value: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Tell two secrets apart by the start of their SHA-256."""
        return "sha256:" + hashlib.sha256(self.value.encode()).hexdigest()[:10]

    def __str__(self) -> str:
        return self.fingerprint

    def __repr__(self) -> str:
        return f"Secret({self.fingerprint})"

    def __bool__(self) -> bool:
        return bool(self.value)
