"""Proves on hosts that an agent runs as its release promises."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from toolkit.contract import Given, Verdict, evaluate, expectations, question
from toolkit.errors import ToolkitError
from toolkit.progress import Progress
from toolkit.render import describe
from toolkit.runner import Connection, look
from toolkit.spec import AgentSpec

AT_ONCE = 10


@dataclass(frozen=True)
class Options:
    """What to hold hosts against, and how to reach them.

    `version` and `manager` are by default those that each host's own state.json names; `home`
    is the folder of the installation, by default /opt/SERVICE. `sudo` None means: where it
    needs no password.
    """

    version: str | None = None
    manager: str | None = None
    home: str | None = None
    sudo: bool | None = None
    ssh_config: Path | None = None
    identity_file: Path | None = None


DEFAULTS = Options()


def verify(spec: AgentSpec, host: str, options: Options = DEFAULTS) -> Verdict:
    """Look at one host and hold what is found against the contract.

    `host` is ssh://[user@]host[:port], podman://CONTAINER, docker://CONTAINER or local.
    Raises HostError or MissingToolError where the host could not be looked at.
    """
    release = describe(spec, None)
    given = Given(options.home, options.version, options.manager)
    connection = Connection(host, options.sudo, options.ssh_config, options.identity_file)
    facts = look(connection, question(release, given))
    expected = expectations(release, given, facts)
    return Verdict(host, expected.service, expected.version, evaluate(expected, facts))


def verify_all(
    spec: AgentSpec, hosts: Sequence[str], options: Options, progress: Progress
) -> tuple[Verdict, ...]:
    """Verify several hosts at once, each once; a host that can't be reached has its `error` set."""
    names = list(dict.fromkeys(hosts))
    what = names[0] if len(names) == 1 else f"{len(names)} hosts"
    progress.start(f"looking at {what}", total=len(names))
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(names))) as pool:
        looks = {name: pool.submit(_verify_or_error, spec, name, options) for name in names}
        for _ in as_completed(looks.values()):
            progress.advance()
    progress.finish()
    return tuple(looks[name].result() for name in names)


def _verify_or_error(spec: AgentSpec, host: str, options: Options) -> Verdict:
    try:
        return verify(spec, host, options)
    except ToolkitError as error:
        return Verdict(host, spec.service_name, error=error)
