"""What the install script and agentctl keep to, shown with a small agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import Host, stopped
from tests.support.releases import SCRIPT, Released, install, put_script, tiny
from tests.support.serve import StoreServer

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
HOSTILE = 'Bob\'s "agent"\n$(touch /tmp/pwned) `touch /tmp/pwned` %h ${HOME} \\ é'
VALUES = {
    "QUOTED": 'a "b" \\ $HOME %h ${X} $(touch /tmp/pwned) `id`',
    "LINES": "one\ntwo",
}


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


def answer(host: Host) -> dict[str, Any]:
    """Ask the running agent what it was started with."""
    done = host.run(["curl", "-s", "http://127.0.0.1:7070/"])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def pid(host: Host) -> str:
    return host.run(["systemctl", "show", "tiny", "--property=MainPID", "--value"]).stdout.strip()


def test_a_new_version_is_installed_beside_the_old_one(
    plain: Released, host: Host, store: StoreServer, tmp_path: Path
) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    newer = tiny(tmp_path, version="1.1.0")
    put_script(newer, store, host)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.run(["ls", "/opt/tiny/releases"]).stdout.split() == ["1.0.0", "1.1.0"]
    assert host.run(["readlink", "/opt/tiny/current"]).stdout.strip() == "releases/1.1.0"
    state = json.loads(host.read("/opt/tiny/state.json"))
    assert (state["version"], state["previous"]) == ("1.1.0", "1.0.0")


def test_other_bytes_under_the_same_version_are_refused(
    plain: Released, host: Host, store: StoreServer, tmp_path: Path
) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    other = tiny(tmp_path, environment={"CHANGED": "yes"})
    put_script(other, store, host)
    done = install(host)
    assert done.returncode == 2
    assert "a version never changes" in done.stderr


def test_another_process_manager_takes_over(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    done = install(host, PROCESS_MANAGER="direct")
    assert done.returncode == 0, done.stdout + done.stderr
    unit = host.run(["systemctl", "is-enabled", "tiny"], check=False)
    assert unit.returncode != 0
    assert json.loads(host.read("/opt/tiny/state.json"))["manager"] == "direct"
    assert install(host, "uninstall").returncode == 0
    assert host.run(["pgrep", "-f", "agent.py"], check=False).stdout == ""


def test_direct_restarts_what_dies_and_ends_it_all_on_uninstall(
    plain: Released, host: Host, store: StoreServer
) -> None:
    """In a folder of the operator's own: no root anywhere."""
    put_script(plain, store, host)
    env = {"PROCESS_MANAGER": "direct", "INSTALL_DIR": "/home/operator/tiny"}
    done = install(host, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    owner = host.run(["stat", "-c", "%U", "/home/operator/tiny/releases/1.0.0"]).stdout.strip()
    assert owner == "operator"
    first = host.run(["cat", "/home/operator/tiny/run/agent.pid"]).stdout.split()[0]
    host.run(["kill", "-9", first])
    again = "for n in $(seq 50); do sleep 0.2; /home/operator/tiny/agentctl status && exit 0; done"
    assert "healthy" in host.run(["sh", "-c", f"{again}; exit 1"]).stdout
    second = host.run(["cat", "/home/operator/tiny/run/agent.pid"]).stdout.split()[0]
    assert second != first
    assert install(host, "uninstall", **env).returncode == 0
    assert host.run(["pgrep", "-f", "agent"], check=False).stdout == ""
    assert host.run(["ls", "/home/operator"]).stdout.split() == ["install.sh"]


def test_hostile_values_reach_the_agent_as_they_are(
    host: Host, store: StoreServer, tmp_path: Path
) -> None:
    arguments = ["two words", "$HOME", "%h", 'a"b', "it's", "back\\slash", "line\nbreak", "", ";"]
    command = ["/usr/bin/python3", "{current}/agent.py", *arguments]
    released = tiny(tmp_path, title=HOSTILE, exec=command, environment=VALUES)
    put_script(released, store, host, {"NAME_OF_AGENT": "a $(touch /tmp/pwned) `id` \\ \n b"})
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    found = answer(host)
    assert found["argv"] == arguments
    assert {name: found["env"][name] for name in VALUES} == VALUES
    assert found["env"]["NAME_OF_AGENT"] == "a $(touch /tmp/pwned) `id` \\ \n b"
    assert host.run(["ls", "/tmp/pwned"], check=False).returncode != 0


def with_secret(dist: Path) -> Released:
    return tiny(dist, required=["TINY_ID", "TINY_SECRET"], secret=["TINY_SECRET"])


def test_a_secret_is_in_no_argument_list_log_or_readable_file(
    host: Host, store: StoreServer, tmp_path: Path
) -> None:
    """A visitor looks at argument lists and tries to read .env all the while."""
    released = with_secret(tmp_path)
    put_script(released, store, host)
    secret = "s3cret-value-nobody-may-see"
    spy = (
        "while [ ! -e /tmp/enough ]; do cat /opt/tiny/.env /opt/tiny/.*.new 2>/dev/null; "
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; done > /home/visitor/seen"
    )
    watcher = host.spawn(["sh", "-c", spy], user="visitor")
    try:
        # The values come by a file that is sourced, since podman would show them to all.
        export = tmp_path / "export"
        export.write_text(f"export TINY_ID=one TINY_SECRET={secret}\n", "utf-8")
        host.put(export, "/home/operator/export", mode=0o600)
        done = host.run(["bash", "-c", f". ~/export && {SCRIPT}"], check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        host.run(["touch", "/tmp/enough"], user="visitor")
        watcher.wait(timeout=20)
    seen = host.run(["cat", "/home/visitor/seen"], user="visitor").stdout
    assert "agentctl" in seen  # it did watch
    assert secret not in seen
    assert secret not in done.stdout + done.stderr
    assert secret not in host.run(["journalctl", "--no-pager"], user="root").stdout
    assert host.run(["stat", "-c", "%a %U", "/opt/tiny/.env"]).stdout.split() == ["600", "operator"]
    assert answer(host)["env"]["TINY_SECRET"] == secret
    again = install(host)
    assert again.returncode == 0, again.stdout + again.stderr  # .env keeps what it was given
    assert "no change" in again.stdout


def test_variables_may_be_called_as_the_scripts_own_and_defaults_are_values(
    host: Host, store: StoreServer, tmp_path: Path
) -> None:
    released = tiny(
        tmp_path,
        required=["STORE", "NAME", "TINY_PORT"],
        secret=["NAME"],
        environment={"TINY_PORT": "7070"},
    )
    put_script(released, store, host)
    done = install(host, STORE="mine", NAME="its own")
    assert done.returncode == 0, done.stdout + done.stderr
    environment = answer(host)["env"]
    assert (environment["STORE"], environment["NAME"]) == ("mine", "its own")


def test_a_colleague_who_installs_again_takes_nothing(
    plain: Released, host: Host, store: StoreServer
) -> None:
    """Whoever installed it first stays the service's user."""
    put_script(plain, store, host)
    assert install(host).returncode == 0
    host.run(
        ["sh", "-c", "echo 'visitor ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/visitor"], user="root"
    )
    host.run(["install", "-m", "755", SCRIPT, "/tmp/install.sh"], user="root")
    before = pid(host)
    done = host.run(["/tmp/install.sh"], user="visitor", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no change" in done.stdout
    assert pid(host) == before
    owner = host.run(["stat", "-c", "%U", "/opt/tiny/.env"]).stdout.strip()
    assert owner == "operator"


def test_a_required_variable_without_a_value_is_named(
    host: Host, store: StoreServer, tmp_path: Path
) -> None:
    put_script(with_secret(tmp_path), store, host)
    done = install(host)
    assert done.returncode == 24
    assert "TINY_ID is not set" in done.stderr


def test_two_at_once_one_leaves(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    store.hang(plain.artifact.tarball, after=100)
    first = host.spawn([SCRIPT])
    assert store.hanging.wait(120), stopped(first)
    second = install(host)
    assert second.returncode == 12
    assert "another agentctl works in /opt/tiny" in second.stderr
    store.heal()
    first.wait(timeout=120)
