"""What goes wrong on hosts: each fault gets its exit code, a way out, and loses nothing."""

from __future__ import annotations

import signal

import pytest

from tests.support.hosts import BootHost, Host, stopped
from tests.support.releases import SCRIPT, Released, install, put_script, tiny, tiny_with_ballast
from tests.support.serve import StoreServer
from toolkit import engine

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
AGENTCTL = engine.build().name


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A release of two megabytes that no compression makes small, so that it has a middle."""
    project, dist = tmp_path_factory.mktemp("slow"), tmp_path_factory.mktemp("slow-dist")
    return tiny_with_ballast(project, dist, version="1.1.0")


def nothing_staged(host: Host) -> bool:
    """Say whether no version can be reached: neither whole nor half."""
    found = host.run(["sh", "-c", "ls /opt/tiny/releases; readlink /opt/tiny/current"], check=False)
    return found.stdout == ""


def test_a_download_that_always_breaks_off_then_goes_on_where_it_stopped(
    slow: Released, host: Host, store: StoreServer
) -> None:
    put_script(slow, store, host)
    tarball = slow.artifact.tarball
    store.truncate(tarball, after=1_000_000, times=1)
    store.fail(503, path_suffix=tarball, times=3)
    broken = install(host)
    assert broken.returncode == 20
    assert "could not be fetched in 4 tries" in broken.stderr
    assert "goes on where this one stopped" in broken.stderr
    assert nothing_staged(host)
    store.heal()
    assert install(host).returncode == 0
    resumed = [request for request in store.requests if request.range and request.status == 206]
    assert [request.range for request in resumed] == ["bytes=1000000-"]


def test_a_store_that_is_busy_for_a_moment_is_waited_for(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    store.fail(503, path_suffix=plain.artifact.tarball, times=2)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_tarball_with_one_bit_changed_is_refused(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    store.tamper(plain.artifact.tarball)
    done = install(host)
    assert done.returncode == 21
    assert "is not the file that was published" in done.stderr
    assert nothing_staged(host)


def test_an_agentctl_with_one_bit_changed_never_runs(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    store.tamper(AGENTCTL)
    done = install(host)
    assert done.returncode == 21
    assert "Do not install from this store" in done.stderr
    assert host.run(["ls", "/opt/tiny"], check=False).returncode != 0


@pytest.mark.parametrize("missing", ["tarball", "agentctl"])
def test_a_file_that_is_not_in_the_store(
    missing: str, plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    file = plain.artifact.tarball if missing == "tarball" else AGENTCTL
    (store.root / file).unlink()
    done = install(host)
    assert done.returncode == 20
    assert file in done.stderr
    assert "404" in done.stderr


def test_no_network(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    host.cut_network()
    done = install(host)
    assert done.returncode == 20
    assert "could not be downloaded" in done.stderr
    assert "Check this host's network" in done.stderr
    host.restore_network()
    assert install(host).returncode == 0


def test_the_network_goes_away_after_agentctl_came(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    store.hang(plain.artifact.tarball, after=50)
    running = host.spawn([SCRIPT])
    assert store.hanging.wait(120), stopped(running)
    host.cut_network()
    output, _ = running.communicate(timeout=240)
    assert running.returncode == 20, output
    assert "could not be fetched in 4 tries" in output


def test_a_full_disk(slow: Released, boot_host: BootHost, store: StoreServer) -> None:
    host = boot_host(tmpfs={"/opt": "3m"})
    put_script(slow, store, host)
    done = install(host)
    assert done.returncode == 22, done.stdout + done.stderr
    assert "the disk is full" in done.stderr
    assert "make room" in done.stderr
    assert nothing_staged(host)
    host.run(["mount", "-o", "remount,size=64m", "/opt"], user="root")
    assert install(host).returncode == 0


def test_a_full_disk_leaves_the_running_version_alone(
    plain: Released, slow: Released, boot_host: BootHost, store: StoreServer
) -> None:
    host = boot_host(tmpfs={"/opt": "3m"})
    put_script(plain, store, host)
    assert install(host).returncode == 0
    put_script(slow, store, host)
    assert install(host).returncode == 22
    assert host.run(["sudo", plain.agentctl, "status"]).stdout.startswith("tiny 1.0.0")


def test_a_system_that_is_neither_ubuntu_nor_debian(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    host.run(["rm", "-f", "/etc/debian_version", "/etc/lsb-release"], user="root")
    done = install(host)
    assert done.returncode == 10
    assert "only supports Ubuntu/Debian systems" in done.stderr


def test_root_is_refused(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    done = install(host, user="root")
    assert done.returncode == 11
    assert "Please do NOT run this script as root" in done.stderr


def test_a_user_who_may_not_use_sudo(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    host.run(["install", "-m", "755", SCRIPT, "/tmp/install.sh"], user="root")
    done = host.run(["/tmp/install.sh"], user="visitor", check=False)
    assert done.returncode == 11
    assert "visitor may not use sudo" in done.stderr
    assert "PROCESS_MANAGER=direct INSTALL_DIR=~/tiny" in done.stderr


def test_no_sudo_at_all(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    host.run(["mv", "/usr/bin/sudo", "/usr/bin/not-sudo"], user="root")
    done = install(host)
    assert done.returncode == 11
    assert "sudo is missing" in done.stderr


def test_a_port_that_is_taken(plain: Released, host: Host, store: StoreServer) -> None:
    """Another program even answers there: its answer must not count for the agent's."""
    put_script(plain, store, host)
    squatter = host.spawn(["python3", "-m", "http.server", "7070", "--bind", "127.0.0.1"])
    host.run(["sh", "-c", "until curl -fs http://127.0.0.1:7070/ >/dev/null; do sleep 0.1; done"])
    done = install(host)
    assert done.returncode == 30, done.stdout + done.stderr
    assert "did not become healthy within 15 s" in done.stderr
    assert "Address already in use" in done.stderr  # the journal's last lines
    status = host.run(["sudo", plain.agentctl, "status"], check=False)
    assert status.returncode == 3
    assert "NOT healthy" in status.stdout
    host.run(["pkill", "-f", "http.server"])
    squatter.wait(timeout=20)
    again = install(host)
    assert again.returncode == 0, again.stdout + again.stderr


def test_an_unknown_process_manager(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    done = install(host, PROCESS_MANAGER="pm2")
    assert done.returncode == 10
    assert "use PROCESS_MANAGER=systemd or direct" in done.stderr


def test_ctrl_c_in_the_middle_then_again(slow: Released, host: Host, store: StoreServer) -> None:
    put_script(slow, store, host)
    store.hang(slow.artifact.tarball, after=500_000)
    running = host.spawn([SCRIPT])
    assert store.hanging.wait(120), stopped(running)
    host.run(["pkill", f"-{signal.SIGINT.name}", "-f", "agentctl install"], user="root")
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 130, output
    assert "goes on where this one stopped" in output
    assert nothing_staged(host)
    store.heal()
    assert install(host).returncode == 0


def test_the_power_goes_in_the_middle_then_again(
    slow: Released, host: Host, store: StoreServer
) -> None:
    put_script(slow, store, host)
    store.hang(slow.artifact.tarball, after=500_000)
    running = host.spawn([SCRIPT])
    assert store.hanging.wait(120), stopped(running)
    host.kill()
    running.wait(timeout=60)
    host.start()
    assert nothing_staged(host)
    store.heal()
    assert install(host).returncode == 0


def test_uninstall_after_an_installation_that_broke_off(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    (store.root / plain.artifact.tarball).unlink()
    assert install(host).returncode == 20
    done = install(host, "uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.run(["ls", "/opt"]).stdout == ""


def test_uninstall_of_what_is_not_there(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    done = install(host, "uninstall")
    assert done.returncode == 4
    assert "tiny is not installed" in done.stderr
