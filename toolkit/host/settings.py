"""The service's own variables: .env and credentials, for its user alone."""

from __future__ import annotations

import stat
from collections.abc import Mapping

from toolkit.host import credentials
from toolkit.host.envfile import merge_env, parse_env
from toolkit.host.errors import MissingSetting
from toolkit.host.files import write_atomic
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation

_HEADER = "# Variables of this host. Mode 0600: keep it secure and do not share it.\n"


def settings_text(installation: Installation, given: Mapping[str, str]) -> str:
    """Give all that the service must be told; raises MissingSetting for a required value."""
    path = installation.layout.env
    text = path.read_text("utf-8") if path.exists() else _HEADER
    merged = merge_env(credentials.whole(installation, text), given)
    service = installation.release.service
    known = {**service.environment, **parse_env(merged)}
    missing = [name for name in service.required if not known.get(name)]
    if missing:
        raise MissingSetting(
            f"{service.name} needs a value for {', '.join(missing)}",
            hint=f"set {missing[0]} in the environment of the install script",
        )
    return merged


def secret_values(installation: Installation) -> list[str]:
    """Give the values that the release calls secret, as far as they stand here and can be read."""
    path = installation.layout.env
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        values = parse_env(credentials.whole(installation, text))
    except OSError:
        return []
    return [values[name] for name in installation.release.service.secret if values.get(name)]


def settings_there(layout: Layout) -> dict[str, str]:
    """Give what .env and credentials hold, whatever release runs, as far as it can be read."""
    try:
        found = parse_env(layout.env.read_text("utf-8")) if layout.env.exists() else {}
        for path in sorted(layout.credentials.glob("[A-Za-z_]*")):
            # An empty file is a secret without a value: a unit does not start without it.
            if path.name not in found and (value := path.read_text("utf-8")):
                found[path.name] = value
    except PermissionError:
        return {}
    return found


def settings_differ(installation: Installation, manager: str, text: str) -> bool:
    """Say whether they are to be written: others stand there, or not for the service alone."""
    path = installation.layout.env
    if not path.exists() or credentials.differ(installation, manager, text):
        return True
    status = path.stat()
    sealed = stat.S_IMODE(status.st_mode) == 0o600
    return (
        not sealed
        or status.st_uid != installation.account.uid
        or path.read_text("utf-8") != credentials.public(installation, text)
    )


def write_settings(installation: Installation, manager: str, text: str) -> None:
    """Write credentials and .env, each whole."""
    credentials.write(installation, manager, text)
    public = credentials.public(installation, text)
    write_atomic(installation.layout.env, public.encode(), 0o600, installation.account)
