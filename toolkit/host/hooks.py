"""Runs what a release wants done before it takes over, and when it stays."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.host.commands import run
from toolkit.host.credentials import whole
from toolkit.host.envfile import parse_env
from toolkit.host.manager import Installation
from toolkit.host.release import environment, resolve, search_path


def run_hook(installation: Installation, command: Sequence[str]) -> None:
    """Run `command` as the service's user, with the service's variables.

    Its placeholder {release} is the folder of the version itself, whatever `current` points at.
    Raises CommandFailed where it fails or takes longer than the release lets it.
    """
    release, layout = installation.release, installation.layout
    home, folder = str(layout.home), str(layout.release(release.version))
    argv = [resolve(word.replace("{release}", folder), release, home) for word in command]
    text = layout.env.read_text("utf-8") if layout.env.exists() else ""
    settings = parse_env(whole(installation, text))
    variables = {
        "HOME": installation.account.home,
        "USER": installation.account.name,
        **environment(release, home),
        **settings,
        "PATH": search_path(release, home),
    }
    run(argv, account=installation.account, env=variables, timeout=release.hooks.timeout)
