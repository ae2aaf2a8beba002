"""Logs as JSON, each line of one request with the same correlation id."""

from __future__ import annotations

import itertools
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from aiwm_controller.limits import App, Message, Receive, Scope, Send

HEADER = b"x-correlation-id"
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # the folder in which several workers keep their meters
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BEGIN, _NUMBERS = secrets.token_hex(5), itertools.count(secrets.randbits(20))


def configure(level: str = "info") -> None:
    """Write logs of `level` and above to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def correlation_id() -> str:
    """Give an id that no other request has; it is no secret, so that a counter will do."""
    return f"{_BEGIN}{next(_NUMBERS):06x}"


log: Any = structlog.get_logger()


class Meters:
    """What /metrics shows; of several workers, `shown` gives the sums."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "aiwm_http_requests_total",
            "Requests by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "aiwm_http_request_seconds", "How long requests took.", registry=self.registry
        )
        self.connects = Counter(
            "aiwm_connects_total", "Agents that connected.", ["outcome"], registry=self.registry
        )
        self.heartbeats = Counter(
            "aiwm_heartbeats_total", "Heartbeats that were stored.", registry=self.registry
        )
        self.heartbeat_requests = self.requests.labels("POST", "/agents/{id}/heartbeat", 200)
        self.batch = Histogram(
            "aiwm_heartbeat_batch_size",
            "Heartbeats in one transaction.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
            registry=self.registry,
        )

    def shown(self, agents: Mapping[str, int]) -> bytes:
        """Give all of it in the format of Prometheus, and how many `agents` are how alive."""
        registry = self.registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        counted = GaugeMetricFamily("aiwm_agents", "Agents by liveness.", labels=["liveness"])
        for liveness, count in agents.items():
            counted.add_metric([liveness], count)
        with_agents = CollectorRegistry()
        with_agents.register(_Found(counted))
        return generate_latest(registry) + generate_latest(with_agents)


class _Found(Collector):
    """Gives what the database says, which all workers share by itself."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        """Give it."""
        yield self._family


class Traced:
    """Gives each request a correlation id, counts it, and logs it without its query."""

    def __init__(self, app: App, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follow one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER, b"")
        correlation = given.decode() if _ID.fullmatch(given) else correlation_id()
        scope.setdefault("state", {})["correlation"] = correlation
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation=correlation)
        begin = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], (HEADER, correlation.encode())]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, status, time.perf_counter() - begin)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._meters.requests.labels(scope["method"], route, status).inc()
        self._meters.seconds.observe(seconds)
        level = log.debug if route.endswith("/heartbeat") and status == 200 else log.info
        level(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )
