"""The port through which a rollout works on hosts, and what both its sides agree on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from toolkit.rollout_events import Event
from toolkit.rollout_state import State

Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Patience:
    """Seconds: a look, a visit with its watch window, and how long a silent host is asked again."""

    look: float = 120
    visit: float = 900
    margin: float = 60
    poll: float = 3


class Crew(Protocol):
    """Works on hosts, by their names, and tells one event for each; it returns when all have ended.

    `state` is how the rollout stood when it was called. `together` says that what is begun at one
    time ends at one time, so that nothing can be added meanwhile.
    """

    @property
    def together(self) -> bool:
        """Whether what is begun at one time ends at one time."""

    def look(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Ask how hosts stand before they are visited: Found."""

    def look_again(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Ask whether hosts that hold the version are healthy still: Found."""

    def visit(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Do on hosts what the rollout is for: Ended."""

    def undo(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Take hosts back to the version that they had: Undone."""
