"""What happens in a rollout, as values: the lines of its ledger."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

Standing = Literal["ready", "fresh", "holds", "lost"]


@dataclass(frozen=True)
class Loss:
    """Why a host counts against the failure budget.

    `kind` is a word for machines (unreachable, host_key, reverted, silent, ...), `reason` one line
    for people. `ran` says that the version ran there, or may have: that speaks against it.
    """

    kind: str
    reason: str
    ran: bool = False


@dataclass(frozen=True)
class Plan:
    """What was decided before the first host was touched.

    `waves` are host names in order; `canaries` is how many must hold the version before others
    try it; `limit` the most hosts that may be lost; `parallel` the most that are worked on at a
    time; `revert` says whether the hosts that hold it go back when the budget does not suffice.
    """

    waves: tuple[tuple[str, ...], ...]
    canaries: int = 1
    limit: int = 0
    parallel: int = 20
    revert: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts, in order."""
        return tuple(host for wave in self.waves for host in wave)


@dataclass(frozen=True)
class Planned:
    """A rollout was planned. `how` is what its command said: what a resumption needs again."""

    id: str
    name: str
    verb: str
    target: str
    plan: Plan
    how: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A host was looked at, and nothing done to it.

    `standing`: `ready` runs something else; `fresh` runs nothing, so it has nothing to lose;
    `holds` has what is wanted; `lost` can't be had. `version` is what runs there, and `target`
    what would: it stays the same when the rollout is resumed, whatever a channel has by then.
    """

    host: str
    standing: Standing
    version: str | None = None
    target: str | None = None
    loss: Loss | None = None


@dataclass(frozen=True)
class Looked:
    """All that were to be looked at were, at the end of so many waves; 0 is before the first."""

    waves: int


@dataclass(frozen=True)
class Begun:
    """Something is about to be done to a host. Without an Ended, nobody knows how it stands."""

    host: str


@dataclass(frozen=True)
class Ended:
    """A host holds what is wanted, or `loss` says why it does not."""

    host: str
    before: str | None = None
    after: str | None = None
    changed: bool = False
    loss: Loss | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Interrupted:
    """The operator asked to stop: nothing new is begun."""


@dataclass(frozen=True)
class Stopped:
    """The rollout stopped; nothing more is begun until somebody resumes it.

    `revert` says that the hosts that hold the version are to go back.
    """

    why: str
    revert: bool = False


@dataclass(frozen=True)
class Resumed:
    """Somebody asked to go on: another attempt, which first looks at every host."""


@dataclass(frozen=True)
class UndoBegun:
    """A host is about to go back to the version that it had before."""

    host: str


@dataclass(frozen=True)
class Undone:
    """A host went back, or `loss` says why it did not."""

    host: str
    after: str | None = None
    loss: Loss | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Finished:
    """Every host was visited, and what was lost is within the budget."""


Event = (
    Planned
    | Found
    | Looked
    | Begun
    | Ended
    | Interrupted
    | Stopped
    | Resumed
    | UndoBegun
    | Undone
    | Finished
)
_KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


def to_json(event: Event) -> dict[str, Any]:
    """Give an event as JSON can hold it; `event` in it names its kind."""
    return {"event": type(event).__name__, **asdict(event)}


def from_json(data: Mapping[str, Any]) -> Event | None:
    """Read what `to_json` gave; None for a kind that this toolkit does not know.

    Raises ValueError where a known kind lacks a fact. Facts that it does not know are left out.
    """
    kind = _KINDS.get(str(data.get("event")))
    return None if kind is None else typing.cast("Event", _parsed(kind, data))


def _parsed(kind: Any, value: Any) -> Any:
    """Make `value`, from JSON, what the annotation `kind` says."""
    origin = get_origin(kind)
    if origin is tuple:
        inner = get_args(kind)[0]
        return tuple(_parsed(inner, item) for item in value)
    if origin in (typing.Union, types.UnionType):
        inner = next(part for part in get_args(kind) if part is not type(None))
        return None if value is None else _parsed(inner, value)
    if not is_dataclass(kind) or not isinstance(kind, type):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    hints = get_type_hints(kind)
    known = {item.name: hints[item.name] for item in fields(kind) if item.name in value}
    made: Any = kind
    try:
        return made(**{name: _parsed(hint, value[name]) for name, hint in known.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__} lacks a fact: {error}") from error
