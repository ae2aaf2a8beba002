"""Keeps a token out of the logs of libraries that put it into addresses."""

from __future__ import annotations

import logging

from xora_agent.secret import Secret

_FORMATTER = logging.Formatter()


class Redaction(logging.Filter):
    """Writes a token's fingerprint wherever the loggers below one of `roots` would show it.

    Filters of a logger don't hold for those below it, so it is added to each of them. What the
    `chatty` loggers tell of each request with the token is left out, save warnings.
    """

    def __init__(self, secret: Secret, roots: tuple[str, ...], chatty: frozenset[str]) -> None:
        super().__init__()
        self._secret = secret
        self._roots = roots
        self._chatty = chatty
        self._loggers: list[logging.Logger] = []

    def start(self) -> None:
        """Look at every logger that there is below the roots."""
        self.stop()
        for name in [*self._roots, *logging.root.manager.loggerDict]:
            if any(name == root or name.startswith(f"{root}.") for root in self._roots):
                logger = logging.getLogger(name)
                logger.addFilter(self)
                self._loggers.append(logger)

    def stop(self) -> None:
        """Leave the loggers alone."""
        for logger in self._loggers:
            logger.removeFilter(self)
        self._loggers.clear()

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record that has the token in it."""
        message = record.getMessage()
        if self._secret.value in message:
            if record.name in self._chatty and record.levelno < logging.WARNING:
                return False
            record.msg, record.args = self.clean(message), ()
        if record.exc_info and record.exc_info[0]:
            traceback = _FORMATTER.formatException(record.exc_info)
            if self._secret.value in traceback:
                record.exc_info, record.exc_text = None, self.clean(traceback)
        return True

    def clean(self, text: str) -> str:
        """Give the text with the token's fingerprint in its place."""
        return text.replace(self._secret.value, f"({self._secret.fingerprint})")
