"""Where a secret goes on a host, and where it never is."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import Host
from tests.support.releases import Released, install, put_script, tiny
from tests.support.serve import StoreServer

pytestmark = pytest.mark.hosts
# Each prints what any user of the host can see.
SEEN_BY_ALL = {
    "argument lists": "cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
    "systemctl show": "systemctl show tiny; systemctl cat tiny; systemctl show-environment",
    "files": "find / -xdev -type f -size -2M -not -path '/proc/*' -not -path '/sys/*'"
    " -readable -exec cat {} + 2>/dev/null",
    "run": "find /run /tmp /var/tmp -type f -size -2M -readable -exec cat {} + 2>/dev/null",
    "credentials": "cat /opt/tiny/credentials/* /run/credentials/*/* /opt/tiny/.env",
}


def released(dist: Path, credentials: str) -> Released:
    return tiny(
        dist,
        required=["TINY_SECRET"],
        secret=["TINY_SECRET", "TINY_OTHER"],
        managers=["systemd"],
        credentials=credentials,
    )


def answer(host: Host) -> dict[str, Any]:
    """Ask the running agent what it was started with."""
    found: dict[str, Any] = json.loads(host.run(["curl", "-s", "http://127.0.0.1:7070/"]).stdout)
    return found


@pytest.mark.parametrize("credentials", ["both", "credentials", "env"])
def test_a_secret_reaches_the_agent_and_nobody_else(
    credentials: str, host: Host, store: StoreServer, tmp_path: Path
) -> None:
    secret = f"s3cret-{secrets.token_hex(8)}"
    put_script(released(tmp_path, credentials), store, host)
    done = host.run(
        ["sh", "-c", "read -r TINY_SECRET; export TINY_SECRET; ./install.sh"],
        input=f"{secret}\n",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    found = answer(host)
    handed = {} if credentials == "env" else {"TINY_SECRET": secret, "TINY_OTHER": ""}
    assert found["credentials"] == handed
    in_environment = None if credentials == "credentials" else secret
    assert found["env"].get("TINY_SECRET") == in_environment
    assert (secret in host.read("/opt/tiny/.env")) == (credentials != "credentials")

    assert secret not in done.stdout + done.stderr
    for what, command in SEEN_BY_ALL.items():
        said = host.run(["sh", "-c", command], user="visitor", check=False)
        assert secret not in said.stdout + said.stderr, what
    assert secret not in host.run(["journalctl", "--no-pager", "-o", "json"], user="root").stdout
    assert secret not in host.run(["systemctl", "show", "tiny"], user="root").stdout
    if handed:
        modes = host.run(["sh", "-c", "stat -c '%a %U' /opt/tiny/credentials/*"], user="root")
        assert set(modes.stdout.splitlines()) == {"600 root"}

    again = install(host)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "no change" in again.stdout


def test_a_secret_is_changed_kept_and_taken_along(
    host: Host, store: StoreServer, tmp_path: Path
) -> None:
    put_script(released(tmp_path, "credentials"), store, host)
    assert install(host, TINY_SECRET="the first").returncode == 0
    assert install(host, TINY_SECRET="the second").returncode == 0
    assert answer(host)["credentials"]["TINY_SECRET"] == "the second"

    done = host.run(["sudo", "/opt/tiny/agentctl", "uninstall", "--keep-data"], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert install(host).returncode == 0  # and nobody had to name it again
    assert answer(host)["credentials"]["TINY_SECRET"] == "the second"

    host.kill()
    host.start()
    look = "for n in $(seq 30); do /opt/tiny/agentctl status && exit 0; sleep 1; done; exit 1"
    host.run(["sh", "-c", look], user="root", timeout=90)
    assert answer(host)["credentials"]["TINY_SECRET"] == "the second"

    assert install(host, "uninstall").returncode == 0
    assert host.run(["ls", "/opt/tiny"], check=False).returncode != 0
