"""What can go wrong, each as a sentence for the log and one for the user."""

from __future__ import annotations


class XoraError(Exception):
    """Say what happened, why, and what to do; nothing in it is secret."""

    def __init__(self, message: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.hint = hint


class SettingError(XoraError):
    """A setting of the environment, a file or the controller can't be used."""


class BrainError(XoraError):
    """The model gave no answer."""


class PlatformError(XoraError):
    """Discord or Telegram can't be reached, or refuses the token."""


class PlatformRefused(PlatformError):
    """What the platform was given is wrong: another try with the same changes nothing."""
