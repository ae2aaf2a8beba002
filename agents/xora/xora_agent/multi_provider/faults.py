"""What went wrong with a model, as a sentence for people."""

from __future__ import annotations

from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    UsageLimitExceeded,
)

from xora_agent.brain import Model
from xora_agent.errors import BrainError


def explain(error: AgentRunError, model: Model, max_turns: int) -> BrainError:
    """Make a sentence of an error. Nothing that a provider wrote about a key goes into it."""
    who = f"{model.provider}/{model.name}"
    if isinstance(error, ModelAuthenticationError):
        return _refused_key(error, model)
    for kind, message, hint in _SENTENCES:
        if isinstance(error, kind):
            return BrainError(message.format(who=who), why=_why(error, model), hint=hint)
    if isinstance(error, UsageLimitExceeded):
        return BrainError(
            f"{who} was stopped after {max_turns} turns",
            why="it had not come to an answer by then",
            hint="ask for less at once, or raise the limit on turns",
        )
    return BrainError(f"{who} gave no answer that can be used", why=_why(error, model))


def _refused_key(error: ModelAuthenticationError, model: Model) -> BrainError:
    where = model.base_url or f"{model.provider}'s own API"
    key = f"the key {model.key}" if model.key else "a request without a key"
    status = f" (HTTP {error.status_code})" if isinstance(error, ModelHTTPError) else ""
    return BrainError(
        f"{model.provider} refused {key}",
        why=f"it was sent to {where}{status}",
        hint="check the deployment's key in the controller, or the key in the agent's settings",
    )


_SENTENCES: tuple[tuple[type[ModelAPIError], str, str], ...] = (
    (ModelQuotaExceededError, "the account at {who} has no credit left", "top it up"),
    (ModelRateLimitError, "{who} takes no more requests for now", "try again in a while"),
    (ModelUnavailableError, "{who} is overloaded or down", "try again in a while"),
    (ModelServerError, "{who} failed on its side", "try again in a while"),
    (ModelNotFoundError, "{who} is not there", "check the deployment's model and address"),
    (ModelContextWindowExceededError, "the conversation is too long for {who}", "use /reset"),
    (ModelTimeoutError, "{who} did not answer in time", "try again in a while"),
    (ModelRequestTimeout, "{who} did not answer in time", "try again in a while"),
    (ModelConnectionError, "{who} can't be reached, or broke off", "try again in a while"),
)


def _why(error: AgentRunError, model: Model) -> str:
    """Give what the provider said, short, and without the key where it repeats one."""
    said = _said(error)
    if model.key:
        said = said.replace(model.key.value, str(model.key))
    said = " ".join(said.split())
    return said if len(said) <= 300 else said[:299] + "…"


def _said(error: AgentRunError) -> str:
    if not isinstance(error, ModelHTTPError):
        return error.message
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(text, str) and text:
            return f"HTTP {error.status_code}: {text}"
    return f"HTTP {error.status_code}"
