"""Every command, in the order of the story that they tell."""

from __future__ import annotations

import click

from toolkit.cli.delta import delta
from toolkit.cli.demo import demo
from toolkit.cli.doctor import doctor
from toolkit.cli.init import init, schema
from toolkit.cli.lock import lock
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
    doctor,
    upload,
    render,
    verify,
    demo,
)
