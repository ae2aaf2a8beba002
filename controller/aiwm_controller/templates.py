"""Renders the controller's own pages, and its script for many hosts."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

FOLDER = Path(__file__).parent / "pages"
STATIC = Path(__file__).parent / "static"


def render(name: str, **values: Any) -> str:
    """Render a page of pages/; what goes into HTML is escaped, what goes into a shell quoted."""
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"], default_for_string=True),
        comment_start_string="{%#",  # "{#" is a length in bash
        comment_end_string="#%}",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sh"] = shlex.quote
    return environment
