"""Keeps a token out of the logs of libraries that put it into addresses."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from xora_agent.secret import Secret

_FORMATTER = logging.Formatter()


@dataclass(frozen=True)
class Redaction:
    """Writes a token's fingerprint wherever the loggers below one of `roots` would show it.

    Filters of a logger don't hold for those below it, so it is added to each of them, once, and
    stays: a token is a secret also after its last use. What the `chatty` loggers tell of each
    request with the token is left out, save warnings.
    """

    secret: Secret
    roots: tuple[str, ...]
    chatty: frozenset[str] = frozenset()

    def apply(self) -> None:
        """Look at every logger that there is below the roots."""
        for name in [*self.roots, *logging.root.manager.loggerDict]:
            if any(name == root or name.startswith(f"{root}.") for root in self.roots):
                logging.getLogger(name).addFilter(self)

    def __call__(self, record: logging.LogRecord) -> bool:
        """Rewrite a record that has the token in it."""
        message = record.getMessage()
        if self.secret.value in message:
            if record.name in self.chatty and record.levelno < logging.WARNING:
                return False
            record.msg, record.args = self.clean(message), ()
        if record.exc_info and record.exc_info[0]:
            traceback = _FORMATTER.formatException(record.exc_info)
            if self.secret.value in traceback:
                record.exc_info, record.exc_text = None, self.clean(traceback)
        return True

    def clean(self, text: str) -> str:
        """Give the text with the token's fingerprint in its place."""
        return text.replace(self.secret.value, f"({self.secret.fingerprint})")
