"""The ways to a host: jump hosts, ports, ssh's configuration, sudo with a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fleet import Operator
from tests.support.hosts import BootHost, Host

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]

PASSWORD = "correct horse battery staple"


@pytest.fixture
def one(tmp_path: Path, host: Host) -> Operator:
    return Operator(tmp_path, {"web": host})


def who(operator: Operator, *more: str) -> str:
    """Run `id -un` on the host `web` and give what it said."""
    (found,) = operator.json("exec", "--limit", "web", *more, "--", "id", "-un")
    return str(found["stdout"]).strip()


def ask_password(host: Host) -> None:
    """Let sudo on the host ask for a password."""
    host.run(["chpasswd"], user="root", input=f"operator:{PASSWORD}\n")
    rule = "operator ALL=(ALL:ALL) ALL\nDefaults:operator timestamp_timeout=0\n"
    host.run(["tee", "/etc/sudoers.d/operator"], user="root", input=rule)


def test_sudo_without_a_password_and_none_at_all(one: Operator) -> None:
    assert who(one) == "root"
    one.own["web"] = {"ansible_become": False}
    one.write()
    assert who(one) == "operator"


def test_sudo_with_a_password(one: Operator) -> None:
    host = one.hosts["web"]
    ask_password(host)
    assert who(one) == "operator"  # nobody said that it must be root
    one.own["web"] = {"ansible_become": True}
    one.write()
    (refused,) = one.json("exec", "--", "true", code=201)
    assert refused["failure"]["kind"] == "no_sudo"

    one.own["web"] = {"ansible_become": True, "ansible_become_password": PASSWORD}
    one.write()
    (found,) = one.json("exec", "--", "id -un; cat /proc/*/cmdline /proc/*/environ | tr '\\0' ' '")
    assert found["stdout"].startswith("root\n")
    assert PASSWORD not in found["stdout"]
    assert PASSWORD not in host.journal(400)


def test_a_wrong_password_is_tried_once(one: Operator) -> None:
    host = one.hosts["web"]
    ask_password(host)
    one.own["web"] = {"ansible_become_password": "wrong"}
    one.write()
    (refused,) = one.json("exec", "--", "true", code=201)
    assert refused["failure"]["kind"] == "no_sudo"
    assert "did not take the password" in refused["failure"]["why"]
    said = host.run(["journalctl", "--grep", "pam_unix.sudo.*authentication failure"], user="root")
    assert said.stdout.count("authentication failure") == 1


def test_another_port(one: Operator) -> None:
    host = one.hosts["web"]
    both = "Port 22\nPort 2222\n"
    host.run(["tee", "/etc/ssh/sshd_config.d/20-port.conf"], user="root", input=both)
    host.run(["systemctl", "restart", "ssh"], user="root")
    one.own["web"] = {"ansible_port": 2222}
    one.write()
    key = " ".join(host.known_hosts.read_text("utf-8").split()[1:])
    one.known_hosts.write_text(f"[{host.address}]:2222 {key}\n", encoding="utf-8")
    assert who(one) == "root"
    assert "connected to" not in (host.run(["ss", "-tn"], check=False).stdout or "")


def test_what_ssh_is_configured_to_do(one: Operator, tmp_path: Path) -> None:
    host = one.hosts["web"]
    included = tmp_path / "included"
    included.write_text(f"Host alias\n  HostName {host.address}\n  User operator\n", "utf-8")
    one.ssh_config.write_text(f"Include {included}\nHost *\n  Port 22\n", encoding="utf-8")
    one.variables = {"ansible_user": None}
    one.own["web"] = {"ansible_host": "alias"}
    one.write()
    assert who(one) == "root"


@pytest.mark.parametrize("way", ["common_args", "ssh_config"])
def test_a_jump_host(one: Operator, boot_host: BootHost, way: str) -> None:
    gate = one.hosts["gate"] = boot_host()
    host = one.hosts["web"]
    one.own["gate"] = {}
    key = gate.key.private
    alias = f"Host gate\n  HostName {gate.address}\n  User operator\n  IdentityFile {key}\n"
    one.ssh_config.write_text(alias, encoding="utf-8")
    if way == "common_args":
        one.own["web"] = {"ansible_ssh_common_args": "-o ProxyJump=gate"}
    else:
        jump = f"Host {host.address}\n  ProxyJump gate\n"
        one.ssh_config.write_text(jump + alias, encoding="utf-8")
    one.write()
    assert who(one) == "root"
    seen = host.run(["journalctl", "-u", "ssh", "--grep", "Accepted publickey"], user="root").stdout
    assert f"from {gate.address}" in seen


def test_a_jump_host_whose_key_is_unknown_is_refused(one: Operator, boot_host: BootHost) -> None:
    gate = boot_host()
    one.own["web"] = {"ansible_ssh_common_args": f"-J operator@{gate.address}"}
    one.write()
    (refused,) = one.json("exec", "--", "true", code=201)
    assert refused["failure"]["kind"] == "host_key"
    assert gate.address in refused["failure"]["why"]


def test_whom_a_host_does_not_let_in(one: Operator) -> None:
    one.own["web"] = {"ansible_user": "visitor"}
    one.write()
    (refused,) = one.json("exec", "--", "true", code=201)
    assert refused["failure"]["kind"] == "auth"
    assert "visitor" in refused["failure"]["why"]


def test_a_host_without_python(one: Operator) -> None:
    one.own["web"] = {"ansible_python_interpreter": "/usr/bin/python2"}
    one.write()
    (refused,) = one.json("exec", "--", "true", code=201)
    assert refused["failure"]["kind"] == "no_python"
