"""Serves /health and /metrics on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from xora_agent.errors import SettingError
from xora_agent.logs import log

# Gives the status of HTTP, and what is told.
Report = Callable[[], tuple[int, Mapping[str, Any]]]


class Health:
    """A small server; `port` 0 stands for any that is free, and `start` gives which it is."""

    def __init__(self, report: Report, metrics: Callable[[], bytes]) -> None:
        self._report = report
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; raises SettingError where the port can't be had."""
        app = web.Application(client_max_size=1024)
        app.add_routes([web.get("/health", self._health), web.get("/metrics", self._meters)])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            raise SettingError(
                f"{host}:{port} can't be listened on",
                why=error.strerror or str(error),
                hint="another agent may run here; AIWM_HEALTH_PORT chooses another port",
            ) from error
        listening: int = self._runner.addresses[0][1]
        log.info("health is told", address=f"http://{host}:{listening}/health")
        return listening

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        status, body = self._report()
        return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})

    async def _meters(self, _: web.Request) -> web.Response:
        content_type = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=self._metrics(), headers={"Content-Type": content_type})
