"""Reads ssh's configuration, the files that it includes among it (Paramiko leaves those out)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from fabric import Config
from paramiko import SSHConfig

USER, SYSTEM = Path("~/.ssh/config"), Path("/etc/ssh/ssh_config")
_DEPTH = 16  # ssh_config(5) sets the same limit


@cache
def configuration(file: Path | None) -> Config:
    """Give Fabric's configuration by `file`, or by the user's and the system's files."""
    files = (USER, SYSTEM) if file is None else (file,)
    lines = [line for each in files for line in _expanded(each.expanduser(), 0)]
    parsed = SSHConfig.from_text("\n".join(lines))
    return Config(ssh_config=parsed, overrides={"load_ssh_configs": False})


def _expanded(file: Path, depth: int) -> Iterator[str]:
    """Give a file's lines, with those of the files that it includes in their place."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    block = "Host *"
    yield block
    for line in text.splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() == "include" and depth < _DEPTH:
            for each in _included(rest, file):
                yield from _expanded(each, depth + 1)
            yield block  # a Host line of an included file ends with that file
            continue
        if word.lower() in ("host", "match"):
            block = line
        yield line


def _included(words: str, file: Path) -> Iterator[Path]:
    folder = SYSTEM.parent if file.is_relative_to(SYSTEM.parent) else USER.expanduser().parent
    for word in shlex.split(words):
        whole = folder / Path(word).expanduser()
        yield from sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
