"""`serve`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

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
    import uvicorn

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
        uvicorn.run(
            "aiwm_controller.app:from_the_environment",
            factory=True,
            host=settings.host,
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


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
