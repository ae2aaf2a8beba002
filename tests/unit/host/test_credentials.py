"""Which secrets stand in .env, which in files for systemd, and which in both."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from toolkit.host.accounts import this_account
from toolkit.host.credentials import differ, public, whole, write
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation
from toolkit.host.release import Release, Runtime, Service

SERVICE = Service(
    name="beacon",
    exec=("{current}/beacon",),
    user=None,
    working_directory="{home}",
    environment={},
    required=("TOKEN",),
    secret=("TOKEN", "OTHER"),
    restart_delay=1,
    memory_limit=None,
    managers=("systemd", "direct"),
)
TEXT = "# mine\nTOKEN='two words'\nPLAIN=x\n"


def installation(home: Path, credentials: str, secret: tuple[str, ...] = ()) -> Installation:
    service = dataclasses.replace(SERVICE, credentials=credentials, secret=secret or SERVICE.secret)
    runtime = Runtime("none", "", bundled=False)
    release = Release("beacon", "A beacon", "1.0.0", None, runtime, service, None)
    return Installation(release, Layout(home), this_account())


def written(home: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in (home / "credentials").glob("*")}


@pytest.mark.parametrize("credentials", ["both", "credentials"])
def test_each_secret_is_a_file_for_its_owner_alone(credentials: str, tmp_path: Path) -> None:
    here = installation(tmp_path, credentials)
    assert differ(here, "systemd", TEXT)
    write(here, "systemd", TEXT)
    assert written(tmp_path) == {"TOKEN": "two words", "OTHER": ""}
    assert not differ(here, "systemd", TEXT)
    file = tmp_path / "credentials" / "TOKEN"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.chmod(0o644)
    assert differ(here, "systemd", TEXT)
    assert differ(here, "systemd", TEXT + "OTHER=1\n")


def test_without_a_loader_there_are_none(tmp_path: Path) -> None:
    write(installation(tmp_path, "env"), "systemd", TEXT)
    assert not differ(installation(tmp_path, "env"), "systemd", TEXT)
    assert written(tmp_path) == {}
    here = installation(tmp_path, "both")
    write(here, "systemd", TEXT)
    assert differ(here, "direct", TEXT)
    write(here, "direct", TEXT)
    assert not (tmp_path / "credentials").exists()


def test_the_environment_file_holds_what_it_may_and_nothing_is_lost(tmp_path: Path) -> None:
    hidden = installation(tmp_path, "credentials")
    assert public(installation(tmp_path, "both"), TEXT) == TEXT
    left = public(hidden, TEXT)
    assert left == "# mine\nPLAIN=x\n"
    write(hidden, "systemd", TEXT)
    assert whole(hidden, left) == f"{left}TOKEN='two words'\n"
    assert whole(hidden, f"{left}TOKEN=\n") == f"{left}TOKEN=\n"  # taken away by hand


def test_what_the_unit_of_an_older_version_loads_stays(tmp_path: Path) -> None:
    write(installation(tmp_path, "both"), "systemd", TEXT)
    newer = installation(tmp_path, "both", secret=("NEW",))
    write(newer, "systemd", "NEW=1\n")
    assert written(tmp_path) == {"TOKEN": "two words", "OTHER": "", "NEW": "1"}
    assert not differ(newer, "systemd", "NEW=1\n")
