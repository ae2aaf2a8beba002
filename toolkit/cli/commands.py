"""Every command, in the order of the story that they tell."""

from __future__ import annotations

import click

from toolkit.cli.channels import history, promote, prune, releases, rollback, yank
from toolkit.cli.delta import delta
from toolkit.cli.demo import demo
from toolkit.cli.doctor import doctor
from toolkit.cli.init import init, schema
from toolkit.cli.keys import keys
from toolkit.cli.lock import lock
from toolkit.cli.refresh import refresh
from toolkit.cli.release import release
from toolkit.cli.render import render
from toolkit.cli.reproduce import reproduce
from toolkit.cli.upload import upload
from toolkit.cli.verify import verify

ALL: tuple[click.Command, ...] = (
    init,
    schema,
    lock,
    release,
    delta,
    reproduce,
    keys,
    doctor,
    upload,
    promote,
    rollback,
    yank,
    releases,
    history,
    refresh,
    prune,
    render,
    verify,
    demo,
)
