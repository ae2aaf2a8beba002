"""Each host runs its agent; it went on while the controller was away."""

from testinfra.host import Host

from tests.support.molecule.look_aiwm import AGENTS, HOME, status

testinfra_hosts = AGENTS


def test_the_agent_runs_and_was_never_restarted(host: Host) -> None:
    found = status(host)
    assert (found["version"], found["healthy"]) == ("0.1.0", True)
    assert host.check_output("systemctl show --property=NRestarts --value xora-agent") == "0"


def test_its_settings_are_nobody_elses(host: Host) -> None:
    with host.sudo():
        env = host.file(f"{HOME}/.env")
        assert env.mode == 0o600
        assert "AIWM_AGENT_SECRET" in env.content_string
