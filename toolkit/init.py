"""Writes the first release/<agent>.toml of a folder, with a comment for every choice."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import ConfigError, ToolkitError
from toolkit.render import agent_file

NODE_VERSION = "24.21.0"
_NOT_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Guess:
    """What a folder says of the agent in it."""

    name: str
    title: str
    version: str
    runtime: str
    exec: tuple[str, ...]


def init(folder: Path) -> Path:
    """Write release/<name>.toml for the agent in `folder`, and give its path.

    Raises ToolkitError where one is there already.
    """
    guess = recognise(folder)
    path = folder / "release" / f"{guess.name}.toml"
    if path.exists():
        raise ToolkitError(
            f"{path} is there already",
            why="toolkit init never overwrites",
            hint="edit it, or move it away first",
        )
    path.parent.mkdir(exist_ok=True)
    path.write_text(agent_file(guess, NODE_VERSION), encoding="utf-8")
    return path


def recognise(folder: Path) -> Guess:
    """Read package.json or pyproject.toml; a folder with neither holds a program of its own."""
    if (folder / "package.json").is_file():
        return _node(folder / "package.json")
    if (folder / "pyproject.toml").is_file():
        return _python(folder / "pyproject.toml")
    name = _name(folder.resolve().name)
    return Guess(name, name, "0.1.0", "none", (f"{{current}}/{name}",))


def _node(file: Path) -> Guess:
    try:
        data = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise _unreadable(file, error) from error
    name = _name(data.get("name") or file.parent.resolve().name)
    main = data.get("main") or "dist/index.js"
    return Guess(
        name,
        data.get("description") or name,
        data.get("version") or "0.1.0",
        "node",
        ("{node}", f"{{current}}/{main.removeprefix('./')}"),
    )


def _python(file: Path) -> Guess:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(file, error) from error
    name = _name(data.get("name") or file.parent.resolve().name)
    script = next(iter(data.get("scripts", {})), None)
    module = (data.get("name") or name).replace("-", "_")
    command = (f"{{bin}}/{script}",) if script else ("{python}", "-m", module)
    title = data.get("description") or name
    return Guess(name, title, data.get("version") or "0.1.0", "python", command)


def _name(text: str) -> str:
    """Make a name of free text: an npm scope goes, other characters become hyphens."""
    name = _NOT_NAME.sub("-", text.rpartition("/")[2].lower()).strip("-")[:40].strip("-")
    return name if re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name) else "my-agent"


def _unreadable(file: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{file} can't be read", why=str(error), hint=f"mend {file}, then try again")
