"""Logs as JSON, to standard error and to a file; no known secret ever stands in them."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import structlog

from xora_agent.errors import XoraError
from xora_agent.secret import Secret

MEGABYTE = 1 << 20
_SHORTEST_SECRET = 6
_MOST_SECRETS = 500

log: Any = structlog.stdlib.get_logger("xora_agent")


class Scrubber(logging.Formatter):
    """Formats a record, then puts fingerprints in the place of every secret that it was told."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner
        self._known: dict[str, str] = {}

    def hide(self, *found: Secret | None) -> None:
        """Never show these from now on."""
        for secret in found:
            if secret is None or len(secret.value) < _SHORTEST_SECRET:
                continue
            for form in (secret.value, json.dumps(secret.value)[1:-1]):
                self._known.pop(form, None)
                self._known[form] = str(secret)
        while len(self._known) > _MOST_SECRETS:  # of tokens of long ago
            del self._known[next(iter(self._known))]

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line = self._inner.format(record)
        for value, shown in self._known.items():
            line = line.replace(value, shown)
        return line


class _Discreet(logging.Handler):
    """Says once that lines are lost: logging's own way shows each as it came, secrets and all."""

    _failed = _failing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self._failed = False
        super().emit(record)
        self._failing = self._failed

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Take the error that is being handled."""
        del record
        self._failed = True
        if not self._failing:
            self._failing = True  # what follows may come here again
            error = sys.exc_info()[1]
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            log.warning("lines of the log are lost", where=type(self).__name__, why=why)


class _StandardError(_Discreet, logging.StreamHandler):  # type: ignore[type-arg] # not in 3.10
    """Standard error."""


class _PrivateFile(_Discreet, logging.handlers.RotatingFileHandler):
    """A log file that its owner writes and its group may read."""

    def _open(self) -> io.TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        return io.open(handle, "a", encoding="utf-8")  # noqa: UP020 - the handler's own is shadowed


_SHARED: tuple[structlog.types.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(level: str, file: Path | None) -> Scrubber:
    """Write logs of `level` and above to standard error and, rotated by size, to `file`.

    Gives what secrets are told to. A file that can't be written is said, and done without.
    """
    scrubber = Scrubber(_formatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.setLevel(level.upper())
    # Libraries tell of each request at "info", some with the token in the address.
    for name in ("aiohttp", "httpx", "httpcore", "discord", "telegram", "asyncio", "mcp"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    _add(root, _StandardError(sys.stderr), scrubber)
    _structlog()
    if file is not None:
        try:
            file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            handler = _PrivateFile(file, maxBytes=10 * MEGABYTE, backupCount=5, encoding="utf-8")
            _add(root, handler, scrubber)
        except OSError as error:
            log.warning("the log file can't be written", file=str(file), why=error.strerror)
    return scrubber


def _add(root: logging.Logger, handler: logging.Handler, scrubber: Scrubber) -> None:
    handler.setFormatter(scrubber)
    root.addHandler(handler)


def _formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
    )


def _structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def correlation() -> str:
    """Make an id that ties lines of logs together, here and at the controller."""
    return secrets.token_hex(8)


def told(error: XoraError) -> dict[str, str]:
    """Give an error's sentences for a line of the log."""
    facts = {"error": error.message, "why": error.why, "hint": error.hint}
    return {name: value for name, value in facts.items() if value}
