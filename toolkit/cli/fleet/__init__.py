"""`toolkit fleet`: the hosts of an Ansible inventory."""

from __future__ import annotations

import click

from toolkit.cli.fleet.execute import execute
from toolkit.cli.fleet.ledgers import resume, rollouts
from toolkit.cli.fleet.logs import logs
from toolkit.cli.fleet.maintain import restart, support_bundle, uninstall
from toolkit.cli.fleet.rollout import install, rollback, upgrade
from toolkit.cli.fleet.status import status
from toolkit.cli.fleet.verify import verify


@click.group()
def fleet() -> None:
    """Work on all hosts of an Ansible inventory at once.

    Hosts, groups, variables, jump hosts and vaults are those of the inventory. The exit code is 0
    where all went well on every host; 201 says that one host failed, 202 two, 250 fifty or more.

    \b
    Examples:
      toolkit fleet upgrade glances -i hosts.yml --max-failed 5%
      toolkit fleet status -i hosts.yml
      toolkit fleet logs -f -i hosts.yml --limit web
      toolkit fleet verify -i hosts.yml --html fleet.html
    """


# What each does, short enough for a line of `toolkit fleet --help`.
_SHORT: dict[click.Command, str] = {
    install: "Install the agent, in waves",
    upgrade: "Bring another version, in waves",
    rollback: "Go back to the version before, in waves",
    resume: "Go on with a rollout that stopped",
    rollouts: "List past and present rollouts",
    status: "Say what runs on each host",
    logs: "Show the logs of many hosts as one",
    restart: "Start the service anew on each host",
    execute: "Run a command on each host",
    verify: "Prove on each host that the agent runs",
    support_bundle: "Collect a support bundle from each host",
    uninstall: "Remove the agent from each host",
}
for _command, _text in _SHORT.items():
    _command.short_help = _text
    fleet.add_command(_command)
