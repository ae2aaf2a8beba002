"""Says from an agent's heartbeats whether it lives. Nothing stores this: it is a matter of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, and_, case, or_

from aiwm_controller.models import Presence

Liveness = Literal["online", "late", "offline", "never"]
ORDER: tuple[Liveness, ...] = ("offline", "late", "never", "online")


@dataclass(frozen=True)
class Times:
    """Seconds since the last heartbeat until which an agent counts as online, then as late."""

    online: int
    late: int

    def of(
        self, heartbeat: datetime | None, disconnected: datetime | None, now: datetime
    ) -> Liveness:
        """Say how an agent is; one that said goodbye after its last heartbeat is offline."""
        if heartbeat is None:
            return "never"
        if disconnected is not None and disconnected >= heartbeat:
            return "offline"
        age = now - heartbeat
        if age <= timedelta(seconds=self.online):
            return "online"
        return "late" if age <= timedelta(seconds=self.late) else "offline"

    def column(self, now: datetime) -> ColumnElement[str]:
        """Give the same as a column of a query."""
        beat, left = Presence.last_heartbeat_at, Presence.last_disconnected_at
        gone = or_(and_(left.is_not(None), left >= beat), beat < now - timedelta(seconds=self.late))
        return case(
            (beat.is_(None), "never"),
            (gone, "offline"),
            (beat < now - timedelta(seconds=self.online), "late"),
            else_="online",
        )
