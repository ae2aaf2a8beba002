"""How one setting is read, from whichever source has it: controller, environment, default."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from xora_agent.errors import SettingError

T = TypeVar("T")

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A setting under its names: of the environment, and flat and nested of the controller.

    `read` gives the value of what stands there, and raises ValueError with what it should be.
    """

    env: str
    read: Callable[[Any], T]
    default: T
    flat: str = ""
    nested: tuple[str, ...] = ()

    def value(self, controller: Mapping[str, Any], env: Mapping[str, str]) -> T:
        """Give the value of the first source that has it: 0, "" and false count as set.

        Only a number or a switch that is left blank counts as not set.
        Raises SettingError that names the source, and never shows the value.
        """
        for source, found in (
            (f"{self.flat} of the controller", controller.get(self.flat)),
            (f"{'.'.join(self.nested)} of the controller", _within(controller, self.nested)),
            (self.env, env.get(self.env)),
        ):
            if found is None or (found == "" and self.read in _NEVER_BLANK):
                continue
            try:
                return self.read(found)
            except ValueError as error:
                raise SettingError(
                    f"the setting {source} can't be used", why=f"it must be {error}"
                ) from error
        return self.default


def _within(settings: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = settings if path else None
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def text(value: Any) -> str:
    """Read a line of text; a number counts as text, as ids are often written so."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or len(value) > 10_000 or _CONTROL.search(value.strip()):
        raise ValueError("one line of text")
    return value.strip()


def word(value: Any) -> str:
    """Read a line of text that may not be empty."""
    found = text(value)
    if not found:
        raise ValueError("one line of text, and not empty")
    return found


def boolean(value: Any) -> bool:
    """Read true or false, in the words that .env files use."""
    if isinstance(value, bool):
        return value
    said = str(value).strip().lower() if isinstance(value, str | int) else ""
    if said not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return said in _TRUE


def whole(value: Any) -> int:
    """Read a whole number, 0 or more."""
    found = number(value)
    if found != int(found):
        raise ValueError("a whole number, 0 or more")
    return int(found)


def number(value: Any) -> float:
    """Read a number, 0 or more."""
    try:
        found = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not 0 <= found < 1e9:
        raise ValueError("a number, 0 or more")
    return found


def names(value: Any) -> tuple[str, ...]:
    """Read names or ids: an array, or text with commas between them."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or len(value) > 10_000:
        raise ValueError("an array, or text with commas")
    found = (text(each) for each in value)
    return tuple(dict.fromkeys(each for each in found if each))


_NEVER_BLANK: tuple[Callable[[Any], Any], ...] = (boolean, whole, number)
