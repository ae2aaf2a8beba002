"""How far a service is shut in by its unit, as the host's own systemd sees it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.releases import Released, build_example, install, put_script, tiny
from tests.support.serve import StoreServer
from toolkit.verify import Options, verify

pytestmark = pytest.mark.hosts
# The exposure that each may have at most: 0 is none, 10 all.
LIMITS = {"glances": 2.0, "verdaccio": 2.5}
DENIED = "denied"
TWIN = """
units=/run/systemd/system
rm -rf $units/twin.service*
cp /etc/systemd/system/$1.service $units/twin.service
mkdir $units/twin.service.d
cp /etc/systemd/system/$1.service.d/* $units/twin.service.d 2>/dev/null || true
printf '%s\\n' "$2" >/run/twin.sh
cat >$units/twin.service.d/90-twin.conf <<CONF
[Service]
Type=oneshot
Restart=no
ExecStart=
ExecStart=/bin/sh -c 'sh /run/twin.sh || echo denied'
StandardOutput=truncate:/run/twin.out
StandardError=null
CONF
systemctl daemon-reload
systemctl start twin
"""


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    dist = tmp_path_factory.mktemp("dist")
    return {name: build_example(name, dist) for name in LIMITS}


def exposure(host: Host, service: str) -> float:
    """Ask the host's systemd-analyze."""
    argv = ["systemd-analyze", "security", "--no-pager", f"{service}.service"]
    said = host.run(argv, user="root").stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    return float(found[1])


def inside(host: Host, service: str, command: str) -> str:
    """Run a shell command under the service's own unit and drop-ins, in another unit's name."""
    host.run(["sh", "-ec", TWIN, "sh", service, command], user="root")
    return host.read("/run/twin.out").strip()


def assert_shut_in(host: Host, home: str) -> None:
    service = Path(home).name
    for folder in ("logs", "workspace"):
        path = f"{home}/{folder}/probe"
        assert inside(host, service, f"echo here >{path} && cat {path} && rm {path}") == "here"
    for path in (f"{home}/probe", f"{home}/current/probe", f"{home}/state.json", "/etc/probe"):
        assert inside(host, service, f": >>{path}") == DENIED, path
    assert inside(host, service, "ls /home/operator/install.sh") == DENIED


@pytest.mark.network
@pytest.mark.parametrize("name", LIMITS)
def test_a_shut_in_service_works(
    name: str, examples: dict[str, Released], host: Host, store: StoreServer
) -> None:
    released = examples[name]
    put_script(released, store, host)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verify(released.spec, f"podman://{host.name}", Options()).failed == ()
    assert exposure(host, name) <= LIMITS[name]
    assert_shut_in(host, released.home)


def test_what_a_release_asks_for_it_gets(host: Host, store: StoreServer, tmp_path: Path) -> None:
    wide = {
        "home": "read-write",
        "writable": ["/srv"],
        "capabilities": ["CAP_NET_BIND_SERVICE"],
        "devices": ["/dev/tty"],
        "syscalls": ["@resources"],
        "jit": True,
        "processes": True,
        "namespaces": True,
    }
    host.run(["install", "-d", "-o", "operator", "/srv/data"], user="root")
    released = tiny(tmp_path, sandbox=wide)
    put_script(released, store, host)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in ("/srv/data/probe", "/home/operator/probe"):
        assert inside(host, "tiny", f": >{path} && echo yes") == "yes"
    assert inside(host, "tiny", ": >/opt/tiny/current/probe") == DENIED
    assert inside(host, "tiny", "grep CapEff /proc/self/status").split() == [
        "CapEff:",
        "0" * 13 + "400",
    ]
