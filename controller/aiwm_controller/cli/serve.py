"""`serve`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from aiwm_controller import __version__
from aiwm_controller.cli.options import options
from aiwm_controller.levels import LOG_LEVELS


@click.command()
@click.option("--host", help="Where to listen.  [default: AIWM_HOST, else 127.0.0.1]")
@click.option("--port", default=3305, show_default=True, type=click.IntRange(0, 65535))
@click.option("--uds", metavar="PATH", help="Listen on a Unix socket instead.")
@click.option("--path-prefix", help="Such as /dev/aiwm.")
@click.option("--public-url", help="The address that agents and people use, with the prefix.")
@click.option(
    "--releases",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A folder with NAME.toml of each release, and the store's root.json.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--log-level", type=click.Choice(LOG_LEVELS), help="[default: AIWM_LOG_LEVEL, else info]"
)
@options
def serve(
    *,
    host: str | None,
    port: int,
    uds: str | None,
    path_prefix: str | None,
    public_url: str | None,
    releases: Path | None,
    workers: int,
    log_level: str | None,
    database: str | None,
    env_file: Path | None,
) -> None:
    """Serve the API and the fleet page.

    \b
    Example:
      aiwm-controller serve --port 3305 --database sqlite:////var/lib/aiwm/controller.db
    """
    from aiwm_controller import claims, logs, setup
    from aiwm_controller.cli import common

    given = {
        "AIWM_PATH_PREFIX": path_prefix,
        "AIWM_PUBLIC_URL": public_url,
        "AIWM_RELEASES": str(releases.resolve()) if releases else None,
        "AIWM_LOG_LEVEL": log_level,
        "AIWM_HOST": host,
    }
    settings = common.take_environment(database, env_file, given)
    if workers > 1 and settings.database.get_backend_name() == "sqlite":
        raise click.UsageError("several workers need PostgreSQL: SQLite has one writer")
    logs.configure(settings.log_level)
    common.run(settings, lambda: setup.check(settings))
    with ExitStack() as held:
        with common.told():
            held.enter_context(claims.claimed(settings.database))
            if uds is None:
                port = claims.check_port(settings.host, port)
            else:
                claims.check_socket(uds)
        where = uds or f"http://{_bracketed(settings.host)}:{port}{settings.path_prefix}/"
        logs.log.info("serving", address=where, version=__version__)
        if workers > 1:
            held.enter_context(_shared_meters())
        held.enter_context(_ended())
        _listen(settings.host, port, uds, workers)


def _listen(host: str, port: int, uds: str | None, workers: int) -> None:
    """Serve until told to end; each worker reads its settings from the environment."""
    import uvicorn

    uvicorn.run(
        "aiwm_controller.app:from_the_environment",
        factory=True,
        host=host,
        port=port,
        uds=uds,
        workers=workers,
        loop="uvloop",
        http="aiwm_controller.heartbeat_http:HeartbeatHttp",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # the application does that, where it is needed
        timeout_graceful_shutdown=10,
    )


@contextmanager
def _ended() -> Iterator[None]:
    """Say that it has ended; SIGTERM, which uvicorn sends again once it is done, is a good end."""
    from aiwm_controller import logs

    def leave(number: int, frame: object) -> None:
        del number, frame
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        logs.log.info("stopped")


@contextmanager
def _shared_meters() -> Iterator[None]:
    """Let workers keep their meters in files, so that /metrics of any shows those of all."""
    from aiwm_controller import logs

    with TemporaryDirectory(prefix="aiwm-meters-") as folder:
        os.environ[logs.SHARED] = folder  # the workers read it as they load prometheus_client
        yield


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
