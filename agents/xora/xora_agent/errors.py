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


class FileError(XoraError):
    """A local file can't be read or written."""


class ControllerError(XoraError):
    """The controller gave no answer that is of use; root of what may be the matter."""


class Unreachable(ControllerError):
    """No answer came, or one that says to try later; `after` is how many seconds it asks for."""

    def __init__(self, message: str, *, why: str = "", hint: str = "", after: float = 0) -> None:
        super().__init__(message, why=why, hint=hint)
        self.after = after


class Refused(ControllerError):
    """The controller does not take the secret or the token, or the agent is suspended."""


class Missing(ControllerError):
    """The controller knows no such agent."""


class BadAnswer(ControllerError):
    """What came is not what a controller answers."""
