"""`verify` on hosts with a real systemd: a small service that is laid out as agentctl does it."""

import json
from pathlib import Path

import pytest

from tests.support.hosts import Host
from toolkit.contract import Verdict
from toolkit.errors import HostError
from toolkit.spec import AgentSpec
from toolkit.verify import Options, verify

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]

SPEC = AgentSpec.model_validate(
    {
        "name": "beacon",
        "title": "A beacon",
        "source": "beacon",
        "version": "1.0.0",
        "runtime": {"kind": "none"},
        "service": {
            "exec": ["/usr/bin/python3", "{current}/beacon.py"],
            "user": "beacon",
            "required": ["BEACON_TOKEN"],
        },
        "health": {"http": "http://127.0.0.1:8099/"},
    }
)
BEACON = """\
import http.server


class Beacon(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", 8099), Beacon).serve_forever()
"""
UNIT = """\
[Service]
User=beacon
ExecStart=/usr/bin/python3 /opt/beacon/current/beacon.py
Restart=always

[Install]
WantedBy=multi-user.target
"""
INSTALL = """
useradd --system --user-group --no-create-home beacon
cd /opt
release=beacon/releases/1.0.0
mkdir -p "$release/toolkit/units" beacon/logs beacon/workspace
mv /root/beacon.py "$release"
cp /root/beacon.service "$release/toolkit/units"
mv /root/beacon.service /etc/systemd/system
mv /root/state.json beacon
touch "$release/.complete"
chmod -R a-w "$release"
ln -s releases/1.0.0 beacon/current
(umask 077 && echo 'BEACON_TOKEN=hush-hush' >beacon/.env)
chown beacon: beacon/.env beacon/logs beacon/workspace
systemctl daemon-reload
systemctl enable --quiet --now beacon
until curl -fs http://127.0.0.1:8099/; do sleep 0.1; done
"""
STATE = {
    "schema": 1,
    "name": "beacon",
    "version": "1.0.0",
    "manager": "systemd",
    "user": "beacon",
    "outcome": "running",
    "reason": "its health gate held",
}


@pytest.fixture
def beacon(host: Host, tmp_path: Path) -> Host:
    """A host on which the beacon runs."""
    files = {"beacon.py": BEACON, "beacon.service": UNIT, "state.json": json.dumps(STATE)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        host.put(tmp_path / name, f"/root/{name}", owner="root")
    host.run(["sh", "-ec", INSTALL], user="root")
    return host


@pytest.fixture
def ssh_config(beacon: Host, tmp_path: Path) -> Path:
    """A configuration that lets ssh in as the operator, and trusts this host's key alone."""
    file = tmp_path / "ssh_config"
    file.write_text(
        f"IdentityFile {beacon.key.private}\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {beacon.known_hosts}\nStrictHostKeyChecking yes\n"
    )
    return file


def failed(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.found for check in verdict.failed}


def test_everything_holds_through_podman_and_through_ssh(beacon: Host, ssh_config: Path) -> None:
    inside = verify(SPEC, f"podman://{beacon.name}")
    assert failed(inside) == {}
    assert len(inside.checks) == 16
    outside = verify(
        SPEC, f"ssh://operator@{beacon.address}", Options(version="1.0.0", ssh_config=ssh_config)
    )
    assert [(c.name, c.holds) for c in outside.checks] == [(c.name, True) for c in inside.checks]
    assert "hush-hush" not in repr((inside, outside))


def test_without_root_what_cannot_be_seen_does_not_hold(beacon: Host, ssh_config: Path) -> None:
    host = f"ssh://operator@{beacon.address}:22"
    verdict = verify(SPEC, host, Options(sudo=False, ssh_config=ssh_config))
    assert failed(verdict) == {"required variables": "unknown: permission denied"}
    beacon.run(["deluser", "--quiet", "operator", "sudo"], user="root", check=False)
    beacon.run(["rm", "/etc/sudoers.d/operator"], user="root")
    assert failed(verify(SPEC, host, Options(ssh_config=ssh_config))) == failed(verdict)
    with pytest.raises(HostError, match="asks for a password"):
        verify(SPEC, host, Options(sudo=True, ssh_config=ssh_config))


# What someone may do to a host, one after the other, and what the checks then say besides.
BREAKAGES = {
    "chmod 0777 /opt/beacon": {"home folder": "a folder of root, mode 0777"},
    "chmod g+w /opt/beacon/releases/1.0.0/beacon.py": {
        "release's files": "3 files of root; others may write beacon.py"
    },
    "rm -f /opt/beacon/releases/1.0.0/.complete": {
        "release": "a folder without .complete",
        "release's files": "2 files of root; others may write beacon.py",
    },
    "chmod 0644 /opt/beacon/.env": {".env": "a file of beacon, mode 0644"},
    "echo 'BEACON_TOKEN=\"\"' >/opt/beacon/.env": {"required variables": "not set: BEACON_TOKEN"},
    "rm /opt/beacon/.env": {".env": "absent"},
    "chown root /opt/beacon/logs": {"logs/": "a folder of root, mode 0755"},
    "rmdir /opt/beacon/workspace": {"workspace/": "absent"},
    "sed -i s/running/failed/ /opt/beacon/state.json": {
        "state.json": "beacon 1.0.0 under systemd, failed: its health gate held"
    },
    "sed -i 's/^User=.*/User=root/' /etc/systemd/system/beacon.service": {
        "unit file": "line 2 (User) differs"
    },
    "systemctl disable --quiet beacon": {"start at boot": "disabled"},
    "systemctl daemon-reload; systemctl restart beacon; sleep 1": {"process's user": "root"},
    "touch -h -d '1 hour' /opt/beacon/current": {"process's version": "current, but began 36"},
    "ln -sfn releases/0.9.0 /opt/beacon/current": {
        "current": "-> releases/0.9.0",
        "process's version": "current -> releases/0.9.0",
        "unit file": "the release has no such unit",
    },
    "systemctl stop beacon": {
        "process manager": "systemd: inactive",
        "process's user": "no process",
        "process's version": "no process",
        "restarts": "0, no process",
        "health": "connection refused",
    },
    "rm -r /etc/systemd/system/beacon.service; systemctl daemon-reload": {
        "unit file": "absent",
        "start at boot": "no unit",
    },
    "echo nonsense >/opt/beacon/state.json": {"state.json": "damaged: "},
}


def test_each_breakage_is_noticed(beacon: Host) -> None:
    # state.json is damaged in the end, so what it says is given.
    given = Options(version="1.0.0", manager="systemd")
    expected: dict[str, str] = {}
    for command, found in BREAKAGES.items():
        beacon.run(["sh", "-ec", command], user="root")
        expected |= found
        noticed = failed(verify(SPEC, f"podman://{beacon.name}", given))
        assert noticed.keys() == expected.keys(), command
        for name, text in expected.items():
            assert noticed[name].startswith(text), command


def test_a_service_that_keeps_restarting_does_not_hold(beacon: Host) -> None:
    host = f"podman://{beacon.name}"
    beacon.run(["systemctl", "kill", "--signal=KILL", "beacon"], user="root")
    beacon.run(["sh", "-c", "until curl -fs http://127.0.0.1:8099/; do sleep 0.1; done"])
    noticed = failed(verify(SPEC, host))
    assert noticed.keys() == {"restarts"}
    assert noticed["restarts"].startswith("1, up for ")


def test_a_version_that_was_not_installed_does_not_hold(beacon: Host) -> None:
    noticed = failed(verify(SPEC, f"podman://{beacon.name}", Options(version="1.0.1")))
    assert noticed.keys() == {
        "release",
        "release's files",
        "current",
        "state.json",
        "process's version",
    }
    assert noticed["current"] == "-> releases/1.0.0"


def test_where_nothing_is_installed_there_is_one_answer(host: Host) -> None:
    verdict = verify(SPEC, f"podman://{host.name}")
    assert (verdict.installed, failed(verdict)) == (False, {"installed": "there is no /opt/beacon"})


def test_hosts_that_cannot_be_looked_at_say_why(beacon: Host, ssh_config: Path) -> None:
    beacon.run(["sh", "-ec", "mv /usr/bin/python3 /usr/bin/python-away"], user="root")
    for host in (f"podman://{beacon.name}", f"ssh://operator@{beacon.address}"):
        with pytest.raises(HostError, match="has no python3") as refused:
            verify(SPEC, host, Options(ssh_config=ssh_config))
        assert "apt-get install python3" in refused.value.hint
    options = Options(ssh_config=ssh_config)
    with pytest.raises(HostError, match="could not be reached") as refused:
        verify(SPEC, f"ssh://visitor@{beacon.address}", options)
    assert (refused.value.why, "--identity-file" in refused.value.hint) == (
        f"visitor@{beacon.address}: Permission denied (publickey).",
        True,
    )
    beacon.known_hosts.write_text("")
    with pytest.raises(HostError, match="could not be reached") as refused:
        verify(SPEC, f"ssh://operator@{beacon.address}", options)
    assert refused.value.why == "Host key verification failed."
    beacon.kill()
    with pytest.raises(HostError, match="could not be reached") as refused:
        verify(SPEC, f"podman://{beacon.name}")
    assert refused.value.hint == f"start it: podman start {beacon.name}"
    with pytest.raises(HostError, match="could not be reached") as refused:
        verify(SPEC, "podman://no-such-container")
    assert refused.value.hint == "see which there are: podman ps --all"
