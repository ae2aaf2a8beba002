"""Proof that nothing leaves this machine: whatever tries goes to a port where nobody listens."""

from __future__ import annotations

import pytest

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_KEYS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "GOOGLE_API_KEY",
    "GROQ_API_KEY",
    "OPENAI_API_KEY",
    "IS_SANDBOX",
)


def leave_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close the way out, and take away whatever keys the machine's user has."""
    for name in _PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in _KEYS:
        monkeypatch.delenv(name, raising=False)
