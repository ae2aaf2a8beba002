"""From a deployment's provider and model to what pydantic-ai asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xora_agent.brain import Model
from xora_agent.errors import SettingError
from xora_agent.secret import Secret

if TYPE_CHECKING:
    import httpx
    import httpx2
    from pydantic_ai.models import Model as Asked

# No key is asked for by many servers on one's own machine, but their clients want to send one.
_NO_KEY = "none"


@dataclass(frozen=True)
class Wires:
    """Connections that are kept open between questions; two, as Groq's client has its own kind."""

    modern: httpx2.AsyncClient
    legacy: httpx.AsyncClient

    async def close(self) -> None:
        """Close what is open."""
        await self.modern.aclose()
        await self.legacy.aclose()


def open_wires() -> Wires:
    """Make the clients; nothing is connected before the first question."""
    import httpx
    from pydantic_ai.models import create_async_httpx2_client

    timeout = httpx.Timeout(600, connect=5)
    return Wires(modern=create_async_httpx2_client(), legacy=httpx.AsyncClient(timeout=timeout))


def check(model: Model | None) -> Model:
    """Hold a model to what its provider needs. Raises SettingError."""
    if model is None:
        raise SettingError(
            "no model is set",
            why="the controller sent no deployment, and no setting here names a model",
            hint="give the agent a deployment in the controller",
        )
    if model.provider not in PROVIDERS:
        raise SettingError(
            f"the provider {model.provider!r} is not known",
            why=f"known are {', '.join(PROVIDERS)}",
            hint="use `local` with an address for anything that speaks OpenAI's API",
        )
    if not model.name:
        raise SettingError("the deployment names no model", hint="set its model in the controller")
    if model.provider == "local" and not model.base_url:
        raise SettingError(
            "the provider `local` needs an address",
            why="it stands for any server that speaks OpenAI's API",
            hint="set the deployment's address, such as http://127.0.0.1:11434/v1",
        )
    if model.provider != "local" and not model.key:
        raise SettingError(
            f"there is no key for {model.provider}",
            hint="give the agent a deployment in the controller, or set the provider's key",
        )
    return model


def connect(model: Model, wires: Wires) -> Asked:
    """Make what is asked, out of a checked model."""
    return PROVIDERS[model.provider](model, wires)


def _value(key: Secret | None) -> str:
    return key.value if key else _NO_KEY


def _base(model: Model, *endings: str) -> str | None:
    """Take from an address what the provider's own client puts there again."""
    if model.base_url is None:
        return None
    address = model.base_url.rstrip("/")
    for ending in endings:
        address = address.removesuffix(ending)
    return address


def _anthropic(model: Model, wires: Wires) -> Asked:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    provider = AnthropicProvider(
        api_key=_value(model.key), base_url=_base(model, "/v1"), http_client=wires.modern
    )
    return AnthropicModel(model.name, provider=provider)


def _openai(model: Model, wires: Wires) -> Asked:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(
        api_key=_value(model.key), base_url=_base(model), http_client=wires.modern
    )
    return OpenAIChatModel(model.name, provider=provider)


def _groq(model: Model, wires: Wires) -> Asked:
    from pydantic_ai.models.groq import GroqModel
    from pydantic_ai.providers.groq import GroqProvider

    provider = GroqProvider(
        api_key=_value(model.key), base_url=_base(model, "/openai/v1"), http_client=wires.legacy
    )
    return GroqModel(model.name, provider=provider)


def _google(model: Model, wires: Wires) -> Asked:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    provider = GoogleProvider(
        api_key=_value(model.key),
        base_url=_base(model, "/v1beta", "/v1"),
        http_client=wires.modern,
    )
    return GoogleModel(model.name, provider=provider)


def _local(model: Model, wires: Wires) -> Asked:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    provider = OpenAICompatibleProvider(
        "local",
        base_url=_base(model) or "",
        api_key=_value(model.key),
        http_client=wires.modern,
        # Ollama and older servers know `max_tokens` alone.
        profile=OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False),
    )
    return OpenAIChatModel(model.name, provider=provider)


PROVIDERS: dict[str, Callable[[Model, Wires], Asked]] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "groq": _groq,
    "google": _google,
    "local": _local,
}
