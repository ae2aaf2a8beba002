"""Judges this host's clock: what ran out, and what is only read by a wrong clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from toolkit.host.errors import ClockWrong, Expired, TrustFault

# Clocks that are this much apart are no reason to speak of them.
SKEW = timedelta(minutes=10)
# By a clock that is further behind, metadata that ran out still looks good.
BEHIND = timedelta(days=1)
_SET = "set the clock, then run it again"


def parse_time(text: str) -> datetime:
    """Read a time in ISO 8601, in UTC where it names no zone; raises ValueError."""
    found = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))  # Python 3.10 knows no Z
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def ran_out(role: str, end: datetime | None, now: datetime, store: datetime | None) -> TrustFault:
    """Give the fault of metadata that ran out at `end`, as far as that is known.

    `store` is what the store's clock says. It is not signed, so that it only helps to explain.
    """
    what = f"the store's {role} metadata ran out" + (f" on {shown(end)}" if end else "")
    ahead = store is not None and now > store + SKEW and (end is None or store < end)
    if store is not None and ahead:
        return ClockWrong(
            f"{what} by this host's clock, which says {shown(now)}; the store's says "
            f"{shown(store)}",
            hint="set the clock; if it is right, somebody serves an old copy (a freeze): do not "
            "install from this store before you know why",
        )
    return Expired(
        f"{what}, and it is {shown(now)} now",
        hint="sign it anew with `toolkit refresh`; if that was done, somebody serves an old copy "
        "(a freeze). If this host's clock is wrong, set it",
    )


def check_behind(now: datetime, signed_at: datetime | None, store: datetime | None) -> None:
    """Refuse a clock that is behind: by it, nothing would ever run out; raises ClockWrong."""
    if signed_at is not None and now < signed_at - SKEW:
        raise ClockWrong(
            f"this host's clock says {shown(now)}, and the store's metadata was signed on "
            f"{shown(signed_at)}",
            hint=_SET,
        )
    if store is not None and now < store - BEHIND:
        raise ClockWrong(
            f"this host's clock says {shown(now)}, and the store's says {shown(store)}: by a "
            "clock that is behind, old metadata looks new",
            hint=_SET,
        )


def check_back(now: datetime, last: datetime, note: str) -> None:
    """Refuse a clock that is before the last refresh, noted in the file `note`."""
    if now < last - BEHIND:
        raise ClockWrong(
            f"this host's clock says {shown(now)}, and it trusted this store's metadata on "
            f"{shown(last)} already",
            hint=f"set the clock; if it is right and was wrong then, remove {note}",
        )


def shown(moment: datetime) -> str:
    """Give a time as people read it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
