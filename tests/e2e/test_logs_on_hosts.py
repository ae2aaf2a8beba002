"""`agentctl logs` under every process manager, by whoever may read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.releases import Released, build_example, install, put_script, tiny
from tests.support.serve import StoreServer

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


def ask(host: Host, path: str) -> None:
    """Have the agent print a line that has `path` in it."""
    host.run(["curl", "-s", f"http://127.0.0.1:7070/{path}"])


def logs(
    host: Host, *words: str, home: str = "/opt/tiny", user: str = "operator", sudo: bool = False
) -> subprocess.CompletedProcess[str]:
    argv = [*(["sudo"] if sudo else []), f"{home}/agentctl", "logs", *words]
    return host.run(argv, user=user, check=False)


# A shell without a terminal has what runs in the background ignore SIGINT, so it is no shell.
_FOLLOW = """
import signal, subprocess, sys, urllib.request
path, *argv = sys.argv[1:]
signal.signal(signal.SIGINT, signal.SIG_DFL)
job = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
signal.alarm(60)
while "before" not in job.stdout.readline():
    pass
urllib.request.urlopen("http://127.0.0.1:7070/" + path).close()
while path not in job.stdout.readline():
    pass
job.send_signal(signal.SIGINT)
print(job.wait(), job.stderr.read(), sep="")
"""


def followed(host: Host, *argv: str, user: str = "root") -> None:
    """Prove that a line comes while it is followed, and that Ctrl-C ends it quietly with 130."""
    done = host.run(["python3", "-c", _FOLLOW, "during", *argv], user=user)
    assert done.stdout.strip() == "130", done.stdout


def test_the_journal(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    ask(host, "before")
    done = logs(host, sudo=True)
    assert done.returncode == 0, done.stderr
    assert "GET /before" in done.stdout
    assert "Started tiny.service" in done.stdout
    assert len(logs(host, "-n", "1", sudo=True).stdout.splitlines()) == 1
    assert "GET /before" in logs(host, "--since", "5m", sudo=True).stdout
    assert logs(host, "--since", "2999-01-01", sudo=True).stdout == ""
    followed(host, "/opt/tiny/agentctl", "logs", "-f")


def test_who_may_read_the_journal(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    ask(host, "before")
    refused = logs(host, user="visitor")
    assert refused.returncode == 11, refused.stdout + refused.stderr
    assert "may not read the journal of tiny" in refused.stderr
    assert "sudo /opt/tiny/agentctl logs" in refused.stderr
    host.run(["usermod", "-aG", "systemd-journal", "visitor"], user="root")
    allowed = logs(host, user="visitor")
    assert "GET /before" in allowed.stdout, allowed.stderr


def test_the_services_user_needs_no_sudo_where_the_journal_is_kept(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    host.run(["mkdir", "-p", "/var/log/journal"], user="root")
    host.run(["systemctl", "restart", "systemd-journald"], user="root")
    host.run(["journalctl", "--flush"], user="root")
    ask(host, "before")
    host.run(["journalctl", "--sync"], user="root")
    done = logs(host)
    assert done.returncode == 0, done.stderr
    assert "GET /before" in done.stdout


def test_a_folder_of_the_operators_own(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    home = "/home/operator/tiny"
    done = install(host, PROCESS_MANAGER="direct", INSTALL_DIR=home)
    assert done.returncode == 0, done.stdout + done.stderr
    ask(host, "before")
    assert "GET /before" in logs(host, home=home).stdout
    followed(host, f"{home}/agentctl", "logs", "-f", "-n", "5", user="operator")
    host.run(["chmod", "755", "/home/operator"])
    refused = logs(host, home=home, user="visitor")
    assert refused.returncode == 11, refused.stdout + refused.stderr
    assert "sudo" in refused.stderr


@pytest.mark.network
def test_pm2(host: Host, store: StoreServer, tmp_path: Path) -> None:
    released = build_example("verdaccio", tmp_path)
    put_script(released, store, host)
    done = install(host, PROCESS_MANAGER="pm2")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = f"{released.home}/logs"
    kept = host.run(["sh", "-c", f"cat {folder}/pm2-*.log"], user="root")
    host.run(["sh", "-c", f"date '+%F %T %:z: planted' >>{folder}/pm2-error.log"], user="root")
    done = logs(host, "-n", "1000", home=released.home)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(kept.stdout.splitlines()) + 1
    assert "planted" in logs(host, "--since", "10m", home=released.home).stdout
