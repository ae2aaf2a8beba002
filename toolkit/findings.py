"""What `toolkit doctor` says of a store: one finding a probe. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# No dot in front: web servers are often told to hide such files, and the doctor fetches from
# here as a host does.
SCRATCH = "toolkit-probe/"


class Health(StrEnum):
    """How a probe went: `bad` where publishing does not work, or not as it is set up."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What one probe found, and what toolkit, or a person, does about it."""

    probe: str
    health: Health
    result: str
    consequence: str = ""


def good(probe: str, result: str, consequence: str = "") -> Finding:
    """Give the finding of a probe that went as it should."""
    return Finding(probe, Health.GOOD, result, consequence)


def note(probe: str, result: str, consequence: str) -> Finding:
    """Give a finding that one should know, and that stops nothing."""
    return Finding(probe, Health.NOTE, result, consequence)


def bad(probe: str, result: str, consequence: str) -> Finding:
    """Give a finding that stops a publication."""
    return Finding(probe, Health.BAD, result, consequence)
