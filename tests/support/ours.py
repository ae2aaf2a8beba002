"""The controller and the agents of this project, built for hosts under test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

from tests.support.releases import TOP, Released
from toolkit.build_cache import user_cache
from toolkit.config import parse_agent
from toolkit.host.layout import this_platform
from toolkit.progress import Silent
from toolkit.release import Settings, build
from toolkit.spec import AgentSpec, Platform

_SOURCES = ("controller", "agents/xora", "toolkit", "templates", "plugins/module_utils", "release")
_FILES = ("pyproject.toml", "README.md", "LICENSE")


def build_ours(name: str, folder: Path, version: str = "", **health: object) -> Released:
    """Build one of release/'s own agents; `health` are keys of its [health] in place of its own.

    With a `version`, the package says it too. What comes from registries is taken from the cache.
    """
    file = TOP / "release" / f"{name}.toml"
    spec = parse_agent(file.read_text("utf-8"), file=str(file))
    project = folder / "project"
    for source in _SOURCES:
        skip = shutil.ignore_patterns("__pycache__", "dist", "*.part")
        shutil.copytree(TOP / source, project / source, ignore=skip)
    for source in _FILES:
        shutil.copy(TOP / source, project / source)
    if version:
        _say(project / spec.source, spec.release_version, version)
    spec = _changed(spec, version, health)
    settings = Settings(project, folder / "dist", cache=user_cache(), zstd=False)
    built = build(spec, cast("Platform", this_platform()), settings, Silent())
    return Released(spec, folder / "dist", built.artifact)


def _say(source: Path, old: str, new: str) -> None:
    (package,) = source.glob("*/__init__.py")
    package.write_text(package.read_text("utf-8").replace(f'"{old}"', f'"{new}"'), "utf-8")


def _changed(spec: AgentSpec, version: str, health: dict[str, object]) -> AgentSpec:
    data = spec.model_dump(mode="json", exclude_unset=True)
    data["health"] |= health
    return AgentSpec.model_validate(data | ({"version": version} if version else {}))
