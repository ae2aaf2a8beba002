"""What /metrics shows, and what heartbeats tell."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, generate_latest

_STATM = Path("/proc/self/statm")
_RECENT = 600.0


class Meters:
    """The six counters of the documents, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connected = self._counter("connection_success", "Connections that were made")
        self.not_connected = self._counter("connection_failure", "Connections that failed")
        self.beaten = self._counter("heartbeat_success", "Heartbeats that were taken")
        self.not_beaten = self._counter("heartbeat_failure", "Heartbeats that failed")
        self.refreshed = self._counter("token_refresh", "Tokens that were renewed")
        self.updated = self._counter("config_update", "Configurations that came and were used")

    def _counter(self, name: str, told: str) -> Counter:
        return Counter(f"aiwm_{name}_total", f"{told}.", registry=self.registry)

    def text(self) -> bytes:
        """Give the counters as Prometheus reads them."""
        return generate_latest(self.registry)


class Activity:
    """How much the agent has to do."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._last = clock()
        self._conversations: set[int] = set()
        self.messages = 0
        self.answering = 0

    @property
    def uptime(self) -> int:
        """Give the seconds since the agent began."""
        return int(self._clock() - self._began)

    @property
    def conversations(self) -> int:
        """Count the conversations since the agent began."""
        return len(self._conversations)

    @property
    def status(self) -> str:
        """Say busy while an answer is written, idle when nobody wrote for ten minutes."""
        if self.answering:
            return "busy"
        return "online" if self._clock() - self._last < _RECENT else "idle"

    def heard(self, conversation: str) -> None:
        """Note a message."""
        self.messages += 1
        self._conversations.add(hash(conversation))
        self._last = self._clock()

    def metrics(self) -> dict[str, int | float]:
        """Give what a heartbeat tells: seconds, MB and numbers."""
        return {
            "uptime": self.uptime,
            "memoryUsage": memory(),
            "messageCount": self.messages,
            "conversationCount": self.conversations,
        }


def memory() -> float:
    """Give the memory that this process holds, in MB (proc_pid_statm(5))."""
    pages = int(_STATM.read_text("ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
