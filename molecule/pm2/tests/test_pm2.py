"""What install leaves on the host under PM2."""

from testinfra.host import Host

from tests.support.molecule.look import answer, status

HOME = "/opt/echo"


def test_it_runs_under_pm2(host: Host) -> None:
    with host.sudo():
        found = status(host, HOME)
    assert (found["version"], found["manager"], found["healthy"]) == ("1.0.0", "pm2", True)
    assert answer(host, "http://127.0.0.1:7272/") == "hello"


def test_pm2_is_the_releases_own(host: Host) -> None:
    assert not host.exists("pm2")
    assert not host.exists("node")
    # So written, the pattern does not find the shell that looks.
    assert host.check_output("pgrep -f '[G]od Daemon'").isdigit()
