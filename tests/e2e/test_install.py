"""Both programs that nobody here wrote, on hosts with a real systemd, by the install script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.releases import Released, build_example, install, put_script
from tests.support.serve import StoreServer
from toolkit.verify import Options, verify

pytestmark = [pytest.mark.hosts, pytest.mark.network]
PROGRAMS = [("glances", "systemd"), ("verdaccio", "systemd"), ("verdaccio", "pm2")]


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    dist = tmp_path_factory.mktemp("dist")
    return {name: build_example(name, dist) for name in ("glances", "verdaccio")}


def everything(host: Host) -> dict[str, set[str]]:
    """Give what an uninstall must leave as it was: files, users, processes, systemd's units."""
    commands = {
        "files": "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /run -prune -o "
        "-path /tmp -prune -o -path /var/log -prune -o -path /var/lib/systemd -prune -o "
        "-path '/var/tmp/systemd-private-*' -prune -o -path /home/operator/install.sh -prune "
        "-o -print",
        "users": "cat /etc/passwd /etc/group",
        "processes": "ps -eo user,args --no-headers | grep -vE 'ps -eo|sh -c|\\[grep\\]|"
        "\\(sd-pam\\)|systemd --user|systemd-|dbus|sshd|/sbin/init'",
        "units": "systemctl list-units --all --no-legend --plain | cut -d' ' -f1 "
        "| grep -vE '^(dev-|sys-|session|user|run-user|network-online.target)'",
    }
    return {
        what: set(host.run(["sh", "-c", command], user="root", check=False).stdout.splitlines())
        for what, command in commands.items()
    }


def new_since(before: dict[str, set[str]], host: Host) -> dict[str, set[str]]:
    """Give what is on the host now and was not before, by its kind."""
    now = everything(host)
    return {what: now[what] - before[what] for what in now if now[what] - before[what]}


def status(host: Host, released: Released) -> dict[str, object]:
    done = host.run(["sudo", released.agentctl, "status", "--json"], check=False)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("name", "manager"), PROGRAMS)
def test_install_verify_again_reboot_uninstall(
    name: str, manager: str, examples: dict[str, Released], host: Host, store: StoreServer
) -> None:
    released = examples[name]
    put_script(released, store, host)
    before = everything(host)

    first = install(host, PROCESS_MANAGER=manager)
    assert first.returncode == 0, first.stdout + first.stderr
    verdict = verify(released.spec, f"podman://{host.name}", Options(manager=manager))
    assert verdict.failed == ()
    running = status(host, released)

    second = install(host, PROCESS_MANAGER=manager)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "no change" in second.stdout
    assert status(host, released) == running  # the same process, the same state.json

    host.kill()
    host.start()
    assert_comes_back(host, released)

    done = install(host, "uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert new_since(before, host) == {}


def assert_comes_back(host: Host, released: Released) -> None:
    """Look every second for half a minute whether the service is healthy after a power cut."""
    look = f"for n in $(seq 30); do {released.agentctl} status && exit 0; sleep 1; done; exit 1"
    done = host.run(["sh", "-c", look], user="root", check=False, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr


def test_verify_over_ssh(
    examples: dict[str, Released], host: Host, store: StoreServer, tmp_path: Path
) -> None:
    released = examples["glances"]
    put_script(released, store, host)
    assert install(host).returncode == 0
    config = tmp_path / "ssh_config"
    config.write_text(f"Host *\n  UserKnownHostsFile {host.known_hosts}\n", "utf-8")
    options = Options(ssh_config=config, identity_file=host.key.private)
    verdict = verify(released.spec, f"ssh://operator@{host.address}:{host.ssh_port}", options)
    assert verdict.failed == ()
