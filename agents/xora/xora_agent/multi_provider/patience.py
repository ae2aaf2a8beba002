"""What is tried again when a provider is busy or fails, and after how long."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import structlog
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
    RetryModelRequest,
)
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.tools import RunContext

_log = structlog.get_logger(__name__)
_PASSING = (
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
    ModelConnectionError,
)


@dataclass(frozen=True)
class Patience:
    """How often a request is made, and how long is waited in between; all times in seconds."""

    tries: int = 4
    first_wait: float = 1.0
    longest_wait: float = 60.0
    silence: float = 300.0  # how long a provider may say nothing at all


def pause(error: Exception, attempt: int, patience: Patience) -> float | None:
    """Say how many seconds to wait before the request is made again; None where it is no use.

    A wait that the provider asks for is kept to; one that is longer than people wait is not begun.
    """
    if attempt >= patience.tries or not isinstance(error, ModelAPIError):
        return None
    if not isinstance(error, _PASSING):
        return None
    if isinstance(error, ModelHTTPError) and error.provider_retry_hint is False:
        return None
    asked = error.retry_after
    if asked is None:
        return min(patience.first_wait * 2.0 ** (attempt - 1), patience.longest_wait)
    return asked if asked <= patience.longest_wait else None


class TryAgain(AbstractCapability[object]):
    """Makes a failed request again, as long as nothing of its answer has been seen."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    async def on_model_request_error(
        self, _ctx: RunContext[object], *, request_context: ModelRequestContext, error: Exception
    ) -> ModelResponse:
        """Wait and ask again, or let the error go on."""
        attempt = request_context.attempt
        seconds = pause(error, attempt, self._patience)
        if seconds is None:
            raise error
        _log.warning(
            "the model is asked again",
            attempt=attempt,
            seconds=seconds,
            fault=type(error).__name__,
            status=_status(error),
        )
        # Many agents that were refused at once must not all come back at once.
        await asyncio.sleep(seconds * random.uniform(1.0, 1.1))  # noqa: S311
        raise RetryModelRequest from error


def _status(error: Exception) -> int | None:
    return error.status_code if isinstance(error, ModelHTTPError) else None
