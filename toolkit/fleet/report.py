"""One page about a fleet that a manager can read: what is right, what is not, what to do."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from toolkit.fleet.verifying import Seen
from toolkit.resources import data_folder

_TEMPLATE = "fleet.html.j2"
# systemd-analyze's own words begin here: OK below 5, MEDIUM below 7, EXPOSED below 9, then UNSAFE.
_SHIELDED, _EXPOSED = 5.0, 7.0


@dataclass(frozen=True)
class Share:
    """A part of the fleet: a version, and how many hosts have it."""

    name: str
    hosts: int
    percent: float
    right: bool | None


@dataclass(frozen=True)
class Page:
    """What the page says; hosts in the order of the page, those that failed first."""

    title: str
    at: datetime
    hosts: Sequence[Seen]
    versions: Sequence[Share]
    exposure: float | None
    worst: Sequence[Seen]

    @property
    def failed(self) -> list[Seen]:
        """The hosts that were seen and do not hold."""
        return [one for one in self.hosts if one.verdict.error is None and not one.verdict.holds]

    @property
    def unreached(self) -> list[Seen]:
        """The hosts that nobody could look at."""
        return [one for one in self.hosts if one.verdict.error is not None]

    @property
    def held(self) -> list[Seen]:
        """The hosts where all is as it should be."""
        return [one for one in self.hosts if one.verdict.holds]

    @property
    def drifted(self) -> list[Seen]:
        """The hosts with another version than they should have."""
        return [one for one in self.hosts if one.facts and one.drifted]

    @property
    def changed(self) -> list[Seen]:
        """The hosts where files are not as released."""
        return [
            one for one in self.hosts if one.facts and one.facts.drift and one.facts.drift.count
        ]


def page(seen: Sequence[Seen], title: str, at: datetime) -> Page:
    """Put together what the page says of `seen`."""
    ordered = sorted(seen, key=lambda one: (_rank(one), -len(one.verdict.failed), one.host.name))
    scores = [one.exposure for one in seen if one.exposure is not None]
    worst = [one for one in ordered if (one.exposure or 0) >= _EXPOSED]
    return Page(
        title=title,
        at=at,
        hosts=ordered,
        versions=_shares(seen),
        exposure=statistics.median(scores) if scores else None,
        worst=sorted(worst, key=lambda one: -(one.exposure or 0)),
    )


def render(page: Page) -> str:
    """Give the page as HTML that needs nothing but itself."""
    environment = Environment(
        loader=FileSystemLoader(data_folder("templates") / "report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["exposure_class"] = exposure_class
    return environment.get_template(_TEMPLATE).render(page=page)


def exposure_class(score: float | None) -> str:
    """Say how a score is to be shown: good, fair or bad; none where there is none."""
    if score is None:
        return "none"
    return "good" if score < _SHIELDED else "fair" if score < _EXPOSED else "bad"


def _rank(one: Seen) -> int:
    if one.verdict.error is not None:
        return 1
    return 2 if one.verdict.holds else 0


def _shares(seen: Sequence[Seen]) -> list[Share]:
    known = [one for one in seen if one.facts]
    counts = Counter(one.version or "none" for one in known)
    right = {one.version or "none": not one.drifted for one in known if one.wanted.versions}
    return [
        Share(name, count, 100 * count / len(known), right.get(name))
        for name, count in counts.most_common()
    ]
