"""Every command, in the order of the story that they tell."""

from __future__ import annotations

import click

from toolkit.cli.bundle import bundle
from toolkit.cli.channels import history, promote, prune, releases, rollback, yank
from toolkit.cli.delta import delta
from toolkit.cli.demo import demo
from toolkit.cli.doctor import doctor
from toolkit.cli.fleet import fleet
from toolkit.cli.init import init, schema
from toolkit.cli.keys import keys
from toolkit.cli.lock import lock
from toolkit.cli.refresh import refresh
from toolkit.cli.release import release
from toolkit.cli.render import render
from toolkit.cli.reproduce import reproduce
from toolkit.cli.upload import upload
from toolkit.cli.verify import verify

# What each does, short enough for a line of `toolkit --help`.
_SHORT: dict[click.Command, str] = {
    init: "Describe the agent in this folder",
    schema: "Print the JSON Schema of release/<agent>.toml",
    lock: "Freeze all that an agent is built from",
    release: "Build an agent's tarballs",
    delta: "Make small files for hosts with an older version",
    reproduce: "Build a release again, and compare",
    keys: "Manage the keys that sign releases",
    doctor: "Find out what a store can do",
    upload: "Publish a built release",
    promote: "Point a channel at a version",
    rollback: "Point a channel back",
    yank: "Say that nobody should install a version",
    releases: "List what is released, and in which channels",
    history: "List how channels were moved",
    refresh: "Sign anew what is near its end",
    prune: "Delete old versions that no channel needs",
    render: "Print install scripts, units, environment files",
    bundle: "Write one file for hosts without a network",
    verify: "Prove on hosts that an agent runs",
    fleet: "Work on all hosts of an inventory",
    demo: "Show the whole way on this machine",
}
for _command, _text in _SHORT.items():
    _command.short_help = _text

ALL: tuple[click.Command, ...] = tuple(_SHORT)
