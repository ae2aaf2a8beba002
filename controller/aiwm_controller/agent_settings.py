"""An agent's settings: stored flat, given flat and nested, shown to people without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
HIDDEN = "********"
_SECRET = re.compile(r"token$|secret|password|credential|api_?key|private_?key", re.IGNORECASE)

# The nested names of the integration guide, and the flat ones under which they are stored.
NESTED = {
    ("claudeModel",): "claude_model",
    ("maxTurns",): "claude_maxTurns",
    ("permissionMode",): "claude_permissionMode",
    ("resume",): "claude_resume",
    ("claudeOAuthToken",): "claude_oauthToken",
    ("discord", "token"): "discord_token",
    ("discord", "channelIds"): "discord_channelIds",
    ("discord", "botId"): "discord_botId",
    ("telegram", "token"): "telegram_token",
    ("telegram", "groupIds"): "telegram_groupIds",
    ("telegram", "botUsername"): "telegram_botUsername",
}


def flat(settings: Mapping[str, Any]) -> Json:
    """Give settings under their flat names; a flat name that was given too wins."""
    rest = dict(settings)
    found: Json = {}
    for path, name in NESTED.items():
        holder = rest if len(path) == 1 else rest.get(path[0])
        if isinstance(holder, dict) and path[-1] in holder:
            found[name] = holder[path[-1]]
    for path in NESTED:
        if len(path) == 1:
            rest.pop(path[0], None)
        elif isinstance(rest.get(path[0]), dict):
            left = {key: value for key, value in rest[path[0]].items() if key != path[1]}
            rest = {**rest, path[0]: left} if left else _less(rest, path[0])
    return {**found, **rest}


def _less(values: Json, name: str) -> Json:
    return {key: value for key, value in values.items() if key != name}


def nested(settings: Mapping[str, Any]) -> Json:
    """Give flat settings under the nested names of the integration guide."""
    known = set(NESTED.values())
    found: Json = {key: value for key, value in settings.items() if key not in known}
    for path, name in NESTED.items():
        if name not in settings:
            continue
        if len(path) == 1:
            found[path[0]] = settings[name]
        else:
            group = found.get(path[0])
            found[path[0]] = {
                **(group if isinstance(group, dict) else {}),
                path[1]: settings[name],
            }
    return found


def both(settings: Mapping[str, Any]) -> Json:
    """Give settings under flat and nested names."""
    return {**nested(settings), **settings}


# How settings can be named to agents: AIWM_SETTINGS_NAMES.
NAMES: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    "both": both,
    "flat": dict,
    "nested": nested,
}


def redacted(value: Any) -> Any:
    """Give settings without what nobody may see."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if _SECRET.search(key) and each not in ("", None) else redacted(each)
            for key, each in value.items()
        }
    return [redacted(each) for each in value] if isinstance(value, list) else value


def unredacted(new: Any, old: Any) -> Any:
    """Put back what a person read redacted and sent back unchanged."""
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        kept = {
            key: before.get(key) if each == HIDDEN else unredacted(each, before.get(key))
            for key, each in new.items()
        }
        return {key: each for key, each in kept.items() if new[key] != HIDDEN or key in before}
    if isinstance(new, list):
        entries = old if isinstance(old, list) else []
        return [
            unredacted(each, _counterpart(each, entries[at : at + 1], entries, len(new)))
            for at, each in enumerate(new)
        ]
    return new


def _counterpart(new: Any, here: list[Any], entries: list[Any], count: int) -> Any:
    """Give the entry that `new` was: the one that reads the same, else the one in its place.

    Where entries were added or taken out, no place says whose a secret is.
    """
    same = next((each for each in [*here, *entries] if redacted(each) == new), None)
    if same is not None or len(entries) != count:
        return same
    return here[0]
