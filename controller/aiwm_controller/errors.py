"""Every fault that the controller answers with: a status, what happened, and what to do."""

from __future__ import annotations


class Fault(Exception):
    """Root of all faults; `status` is that of HTTP, `headers` go with the answer."""

    status = 500

    def __init__(
        self, message: str, *, hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.headers = headers or {}


class BadRequest(Fault):
    """The request asks for what can't be."""

    status = 400


class Unauthorized(Fault):
    """Nobody is known by this token, secret or password."""

    status = 401

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Fault):
    """Somebody is known, and may not do this."""

    status = 403


class NotFound(Fault):
    """There is none of that name in the caller's organization."""

    status = 404


class Conflict(Fault):
    """Another one stands in the way."""

    status = 409


class TooLarge(Fault):
    """The body is larger than any that is needed."""

    status = 413


class TooMany(Fault):
    """Too many tries in too short a time."""

    status = 429

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(
            message, hint=f"try again in {seconds} s", headers={"Retry-After": str(seconds)}
        )


class Unavailable(Fault):
    """The controller can't answer now: nothing is wrong with the request."""

    status = 503

    def __init__(self, message: str, *, hint: str = "try again shortly") -> None:
        super().__init__(message, hint=hint, headers={"Retry-After": "5"})


class BadGateway(Fault):
    """What stands behind the controller did not answer as it must."""

    status = 502


class GatewayTimeout(Fault):
    """What stands behind the controller did not answer in time."""

    status = 504


class SetupError(Fault):
    """The controller can't be started as it was asked to."""
