"""The port through which long work says how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """One line of work at a time: start it, advance it, finish it."""

    def start(self, what: str, total: int | None = None) -> None:
        """Begin `what`, of `total` steps or bytes, or of unknown length."""

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more steps or bytes."""

    def finish(self) -> None:
        """End the work that was started last."""


class Silent:
    """Says nothing: for machines and for tests."""

    def start(self, what: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, amount: int = 1) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""
