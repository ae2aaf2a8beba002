"""Every command, in the order of the story that they tell.

None is loaded before it is wanted: all of them together take longer to load than a short upload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True)
class Entry:
    """Where a command is, and what it does, short enough for a line of `toolkit --help`."""

    module: str
    short_help: str

    def load(self, name: str) -> click.Command:
        """Import the command; it is called like the function that it is."""
        command: click.Command = getattr(import_module(f"toolkit.cli.{self.module}"), name)
        command.short_help = self.short_help
        return command


class Commands(MutableMapping[str, click.Command]):
    """The commands of a group by name: each is loaded when it is first asked for."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._found: dict[str, Entry | click.Command] = dict(entries)

    def __getitem__(self, name: str) -> click.Command:
        found = self._found[name]
        if isinstance(found, Entry):
            found = self._found[name] = found.load(name)
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._found[name] = command

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


ALL: Mapping[str, Entry] = {
    "init": Entry("init", "Describe the agent in this folder"),
    "schema": Entry("init", "Print the JSON Schema of release/<agent>.toml"),
    "lock": Entry("lock", "Freeze all that an agent is built from"),
    "release": Entry("release", "Build an agent's tarballs"),
    "delta": Entry("delta", "Make small files for hosts with an older version"),
    "reproduce": Entry("reproduce", "Build a release again, and compare"),
    "keys": Entry("keys", "Manage the keys that sign releases"),
    "doctor": Entry("doctor", "Find out what a store can do"),
    "upload": Entry("upload", "Publish a built release"),
    "promote": Entry("channels", "Point a channel at a version"),
    "rollback": Entry("channels", "Point a channel back"),
    "yank": Entry("channels", "Say that nobody should install a version"),
    "releases": Entry("releases", "List what is released, and in which channels"),
    "history": Entry("releases", "List how channels were moved"),
    "refresh": Entry("refresh", "Sign anew what is near its end"),
    "prune": Entry("channels", "Delete old versions that no channel needs"),
    "render": Entry("render", "Print install scripts, units, environment files"),
    "bundle": Entry("bundle", "Write one file for hosts without a network"),
    "verify": Entry("verify", "Prove on hosts that an agent runs"),
    "enroll": Entry("enroll", "Make hosts agents of the AIWM controller"),
    "fleet": Entry("fleet", "Work on all hosts of an inventory"),
    "demo": Entry("demo", "Show the whole way on this machine"),
}
