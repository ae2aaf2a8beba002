"""Proves the bed that all end-to-end tests lie on."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.hosts import BootHost, Host
from tests.support.images import DEBIAN_SUITES
from tests.support.podman import CommandFailed
from tests.support.serve import Request, StoreServer

SANDBOX = ("ProtectSystem=strict", "PrivateTmp=yes", "DynamicUser=yes", "NoNewPrivileges=yes")


def test_boots_with_every_unit_well(host: Host, suite: str) -> None:
    failed = host.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout
    if suite in DEBIAN_SUITES:
        assert (host.system_state(), failed) == ("running", "")
        assert f"VERSION_CODENAME={suite}" in host.read("/etc/os-release")
    assert host.system_state() in ("running", "degraded"), failed
    assert host.run(["cat", "/proc/1/comm"]).stdout == "systemd\n"


def test_users_and_their_rights(host: Host) -> None:
    assert host.run(["sudo", "-n", "id", "-u"]).stdout == "0\n"
    assert host.run(["sudo", "-n", "true"], user="visitor", check=False).returncode != 0
    assert host.run(
        ["sh", "-c", "echo $HOME $PWD $GREETING"], env={"GREETING": "hello"}
    ).stdout == ("/home/operator /home/operator hello\n")
    assert host.run(["cat"], input="over standard input").stdout == "over standard input"
    with pytest.raises(CommandFailed, match="to standard error"):
        host.run(["sh", "-c", "echo to standard error >&2; exit 3"])
    with pytest.raises(subprocess.TimeoutExpired):
        host.run(["sleep", "60"], timeout=0.5)


def test_files_travel_both_ways(host: Host, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(bytes(range(256)) * 20_000)
    host.put(sent, "/home/operator/file", mode=0o640, owner="visitor")
    facts = host.run(["stat", "-c", "%a %U %s", "/home/operator/file"], user="root").stdout
    assert facts == "640 visitor 5120000\n"
    host.get("/home/operator/file", back)
    assert back.read_bytes() == sent.read_bytes()


def test_ssh_lets_the_key_in_and_nobody_else(host: Host) -> None:
    before = host.system_state()
    login = subprocess.run(
        host.ssh_argv("id", "-un"), capture_output=True, text=True, timeout=30, check=True
    )
    assert login.stdout == "operator\n"
    stranger = [word.replace("operator@", "visitor@") for word in host.ssh_argv("true")]
    refused = subprocess.run(stranger, capture_output=True, text=True, timeout=30, check=False)
    assert "Permission denied (publickey)" in refused.stderr
    assert host.system_state() == before  # the login's own units are well, too


def test_host_reaches_the_store_and_nothing_else(host: Host, store: StoreServer) -> None:
    (store.root / "greeting").write_text("hello\n")
    assert host.run(["curl", "-fsS", f"{store.url}/greeting"]).stdout == "hello\n"
    assert store.requests == [Request("GET", "/greeting", None, 200)]
    # An address of the documentation's range (RFC 5737), on no network.
    outside = host.run(["curl", "-sS", "-m", "5", "http://203.0.113.1/"], check=False)
    assert outside.returncode == 7


def test_host_without_network_reaches_nothing(boot_host: BootHost, store: StoreServer) -> None:
    alone = boot_host(network=False)
    assert alone.run(["curl", "-sS", "-m", "5", store.url], check=False).returncode == 7
    assert store.requests == []


def test_cable_can_be_pulled_and_put_back(host: Host, store: StoreServer) -> None:
    (store.root / "file").write_text("x")
    fetch = ["curl", "-fsS", "-m", "5", f"{store.url}/file"]
    host.cut_network()
    assert host.run(fetch, check=False).returncode == 7
    host.restore_network()
    assert host.run(fetch).stdout == "x"


def test_power_cut_and_boot(host: Host, store: StoreServer) -> None:
    (store.root / "file").write_text("x")
    sleeper = host.spawn(["sleep", "1000"])
    host.run(["sh", "-c", "echo kept > ~/kept; sync"])
    machine_id = host.run(["cat", "/etc/machine-id"]).stdout
    host.kill()
    assert sleeper.wait(timeout=10) != 0
    host.start()
    assert host.system_state() in ("running", "degraded")
    assert host.read("/home/operator/kept") == "kept\n"
    assert host.run(["cat", "/etc/machine-id"]).stdout == machine_id
    assert host.run(["curl", "-fsS", f"{store.url}/file"]).stdout == "x"
    subprocess.run(host.ssh_argv("true"), timeout=30, check=True)


def test_orderly_restart(host: Host) -> None:
    began = host.run(["stat", "-c", "%Y", "/proc/1"]).stdout
    time.sleep(1)
    host.restart()
    assert host.run(["stat", "-c", "%Y", "/proc/1"]).stdout != began
    assert host.system_state() in ("running", "degraded")


def test_sandboxed_unit_runs(host: Host) -> None:
    settings = [word for line in SANDBOX for word in ("-p", line)]
    script = "test ! -w /etc && test ! -w /usr && touch /tmp/mine && id -u"
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", *settings, "sh", "-e", "-c", script]
    uid = int(host.run(unit, user="root").stdout)
    assert 61184 <= uid <= 65519  # systemd's range for dynamic users
    assert host.run(["test", "-e", "/tmp/mine"], check=False).returncode == 1


def test_small_filesystem_and_memory(boot_host: BootHost) -> None:
    small = boot_host(tmpfs={"/opt": "8m"}, memory="256m")
    size = small.run(["df", "--output=size", "-B1M", "/opt"]).stdout.split()[-1]
    assert size == "8"
    fill = ["dd", "if=/dev/zero", "of=/opt/fill", "bs=1M", "count=9"]
    assert "No space left on device" in small.run(fill, user="root", check=False).stderr
    eat = small.run(["python3", "-c", "len(bytearray(512 << 20))"], check=False)
    assert eat.returncode == 137


def test_store_faults_as_a_host_sees_them(host: Host, store: StoreServer) -> None:
    whole = bytes(1_000_000)
    (store.root / "file").write_bytes(whole)
    fetch = ["curl", "-fsS", "-m", "20", "-o", "got", f"{store.url}/file"]
    store.fail(503, path_suffix="file", times=1)
    assert host.run(fetch, check=False).returncode == 22
    store.heal()
    store.truncate("file", after=1000)
    assert host.run(fetch, check=False).returncode == 18
    store.heal()
    store.tamper("file", times=1)
    host.run(fetch)
    assert int(host.run(["sh", "-c", "tr -d '\\0' < got | wc -c"]).stdout) == 1
    store.hang("file", after=500_000)
    waiting = host.spawn(fetch)
    assert store.hanging.wait(10)
    store.heal()
    assert waiting.wait(timeout=10) == 18
    host.run([*fetch, "--continue-at", "-"])
    assert store.requests[-1] == Request("GET", "/file", "bytes=500000-", 206)
    assert host.run(["stat", "-c", "%s", "got"]).stdout == "1000000\n"
