"""`agentctl support-bundle` and `status` as a person has them on a host."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.planted import ENV, LINES
from tests.support.releases import Released, install, put_script, tiny
from tests.support.serve import StoreServer

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
AGENTCTL = "/opt/tiny/agentctl"
UNIT_SECRETS = {"UNIT_VALUE": "only in the drop-in 1", "UNIT_TOKEN": "short1"}


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


def fetch(host: Host, folder: Path, *words: str, home: str = "/opt/tiny") -> dict[str, str]:
    """Make a bundle as the operator, and give its files; `whole` is all of its bytes."""
    sudo = ["sudo"] if home.startswith("/opt") else []
    argv = [*sudo, f"{home}/agentctl", "support-bundle", "--output", "bundle.tar.gz", *words]
    done = host.run(argv, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = host.run(["stat", "-c", "%a %U %s", "/home/operator/bundle.tar.gz"]).stdout.split()
    assert facts[:2] == ["600", "operator"]
    assert int(facts[2]) <= 1_000_000
    host.get("/home/operator/bundle.tar.gz", folder / "bundle.tar.gz")
    with tarfile.open(folder / "bundle.tar.gz") as archive:
        files = {
            member.name.removeprefix("support/"): text.read().decode()
            for member in archive
            if (text := archive.extractfile(member))
        }
    return {**files, "whole": gzip.decompress((folder / "bundle.tar.gz").read_bytes()).decode()}


def plant(host: Host) -> None:
    """Put secrets into the journal, .env, a drop-in, a credential, the state and the history."""
    lines = "\n".join(line for line, _ in LINES.values())
    host.run(["tee", "/srv/lines"], user="root", input=lines)
    drop_in = "/etc/systemd/system/tiny.service.d/secrets.conf"
    environment = "".join(f'Environment="{name}={value}"\n' for name, value in UNIT_SECRETS.items())
    text = (
        f"[Service]\n{environment}LoadCredential=key:/root/credential\n"
        "ExecStartPre=/bin/cat /srv/lines\nExecStartPre=/bin/cat /opt/tiny/.env\n"
        "ExecStartPre=+/bin/cat /root/credential\n"
    )
    host.run(["sh", "-c", "umask 077; cat >/root/credential"], user="root", input="cr3dential-x")
    host.run(["tee", drop_in], user="root", input=text)
    host.run(["chmod", "644", "/srv/lines"], user="root")
    state = json.loads(host.read("/opt/tiny/state.json"))
    state |= {"reason": LINES["bearer"][0], "details": {"password": LINES["password"][1]}}
    host.run(["tee", "/opt/tiny/state.json"], user="root", input=json.dumps(state))
    event = json.dumps({"reason": lines})
    host.run(["tee", "/opt/tiny/history.jsonl"], user="root", input=f"{event}\n")
    host.run(["systemctl", "daemon-reload"], user="root")
    host.run(["systemctl", "restart", "tiny"], user="root")


def test_no_planted_secret_is_in_it(host: Host, store: StoreServer, tmp_path: Path) -> None:
    values = {name: value for name, value in ENV.items() if name != "DB_URL"}
    released = tiny(tmp_path / "dist", required=[*values])
    put_script(released, store, host, values)
    assert install(host).returncode == 0
    plant(host)
    log = host.run([AGENTCTL, "logs", "-n", "500"], user="root").stdout
    assert LINES["bearer"][1] in log
    assert "cr3dential-x" in log
    assert ENV["AGENT_SECRET"] in log

    files = fetch(host, tmp_path)
    secrets = [secret for _, secret in LINES.values()]
    secrets += [values["AGENT_SECRET"], *values["CERTIFICATE"].splitlines(), "cr3dential-x"]
    secrets += UNIT_SECRETS.values()
    assert [secret for secret in secrets if secret in files["whole"]] == []
    assert set(files) >= {
        *("README.txt", "state.json", "status.json", "doctor.json", "history.jsonl", "log.txt"),
        *("versions.txt", "disk.txt", "memory.txt", "folder.txt", "env-names.txt"),
        *("unit-cat.txt", "unit-show.txt", "unit-status.txt"),
    }
    assert files["env-names.txt"].split() == sorted(values)
    assert "ExecStart=" in files["unit-cat.txt"]
    assert "secrets.conf" in files["unit-cat.txt"]
    assert "NRestarts=" in files["unit-show.txt"]
    assert "kernel " in files["versions.txt"]
    assert json.loads(files["status.json"])["healthy"] is True

    refused = host.run([AGENTCTL, "support-bundle"], user="visitor", check=False)
    assert refused.returncode == 11
    assert "can't take its secrets out" in refused.stderr


def test_a_service_that_wrote_fifty_megabytes(
    plain: Released, host: Host, store: StoreServer, tmp_path: Path
) -> None:
    put_script(plain, store, host)
    home = "/home/operator/tiny"
    done = install(host, PROCESS_MANAGER="direct", INSTALL_DIR=home)
    assert done.returncode == 0, done.stdout + done.stderr
    fill = f"head -c 40000000 /dev/urandom | base64 -w 100 >>{home}/logs/agent.log"
    host.run(["sh", "-c", f"{fill}; echo the last line >>{home}/logs/agent.log"])
    files = fetch(host, tmp_path, home=home)
    assert "the last line\n" in files["log.txt"][-20_000:]
    assert len(files["log.txt"]) > 300_000


def test_status(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    done = host.run([AGENTCTL, "status"], user="operator", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny 1.0.0 under systemd: healthy"
    rows = {line[2:15].strip(): line[16:] for line in lines[2:]}
    assert rows["version"] == "1.0.0"
    assert rows["running"].endswith(" ago)")
    assert rows["process"].endswith(", of user operator")
    assert rows["manager"].startswith("systemd, not restarted by itself")
    assert rows["last attempt"].startswith("1.0.0 ")
    assert rows["store"] == store.url
    found = json.loads(host.run([AGENTCTL, "status", "--json"]).stdout)
    assert found["since"].endswith("+00:00")
    assert found["last_attempt"]["version"] == "1.0.0"

    host.run(["systemctl", "stop", "tiny"], user="root")
    done = host.run([AGENTCTL, "status"], check=False)
    assert done.returncode == 3
    assert done.stdout.startswith("tiny 1.0.0 under systemd: NOT healthy: its process does not run")
    assert f"sudo {AGENTCTL} logs; sudo {AGENTCTL} doctor" in done.stdout
