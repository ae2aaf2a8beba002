"""Every host has the credential that works now, the one that a stopped play had left behind too."""

from testinfra.host import Host

from tests.support.molecule.look_aiwm import AGENTS, HOME

testinfra_hosts = AGENTS
# A heartbeat list is given to the agent's own secret.
_ASK = """\
. %s/.env
curl -sS --max-time 10 -o /dev/null -w '%%{http_code}' \\
  -H "Authorization: Bearer $AIWM_AGENT_SECRET" "$AIWM_BASE_URL/agents/$AIWM_AGENT_ID/heartbeats"
"""


def test_the_credential_on_the_host_works(host: Host) -> None:
    with host.sudo():
        assert host.check_output("sh -c %s", _ASK % HOME) == "200"
