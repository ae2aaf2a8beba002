"""`serve`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import click
import uvicorn

from aiwm_controller import claims, logs, setup
from aiwm_controller.cli.common import options, run, take_environment, told


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, envvar="AIWM_HOST", help="Where to listen."
)
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
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning"]))
@options
def serve(
    *,
    host: str,
    port: int,
    uds: str | None,
    path_prefix: str | None,
    public_url: str | None,
    releases: Path | None,
    workers: int,
    log_level: str,
    database: str | None,
    env_file: Path | None,
) -> None:
    """Serve the API and the fleet page.

    \b
    Example:
      aiwm-controller serve --port 3305 --database sqlite:////var/lib/aiwm/controller.db
    """
    given = {
        "AIWM_PATH_PREFIX": path_prefix,
        "AIWM_PUBLIC_URL": public_url,
        "AIWM_RELEASES": str(releases.resolve()) if releases else None,
        "AIWM_LOG_LEVEL": log_level,
    }
    os.environ.update({name: value for name, value in given.items() if value is not None})
    settings = take_environment(database, env_file)
    if workers > 1 and settings.database.get_backend_name() == "sqlite":
        raise click.UsageError("several workers need PostgreSQL: SQLite has one writer")
    logs.configure(log_level)
    run(lambda: setup.check(settings))
    with ExitStack() as held:
        with told():
            held.enter_context(claims.claimed(settings.database))
            if uds is None:
                claims.check_port(host, port)
        uvicorn.run(
            "aiwm_controller.app:from_the_environment",
            factory=True,
            host=host,
            port=port,
            uds=uds,
            workers=workers,
            loop="uvloop",
            http="aiwm_controller.protocol:BoundedHttp",
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,  # the application does that, where it is needed
            timeout_graceful_shutdown=10,
        )
