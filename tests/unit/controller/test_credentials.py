"""Credentials, install scripts and enrollment: who gets a secret, and how often."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.aiwm import Running, controller, sqlite_settings
from tests.support.signed_store import SignedStore
from toolkit.cli import main
from toolkit.host.envfile import parse_env

RELEASE = """
name = "xora-cc-agent"
title = "Xora AI Agent"
source = "xora"
version = "1.0.0"

[runtime]
kind = "node"
version = "24.21.0"

[service]
name = "xora-agent"
exec = ["{node}", "{current}/dist/index.js"]
required = ["AIWM_BASE_URL", "AIWM_AGENT_ID", "AIWM_AGENT_SECRET"]
secret = ["AIWM_AGENT_SECRET"]
managers = ["systemd", "pm2"]
"""
CDN = "https://cdn.x-or.cloud/agents"


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "release"
    folder.mkdir(parents=True)
    (folder / "xora-cc-agent.toml").write_text(RELEASE)
    signed = SignedStore(tmp_path / "store", agents=("xora-cc-agent",))
    (folder / "root.json").write_bytes(signed.root_bytes())
    return folder


@pytest.fixture
def installing(tmp_path: Path, made: Path, releases: Path) -> Iterator[Running]:
    shutil.copy(made, tmp_path)
    settings = sqlite_settings(tmp_path, releases=releases, public_url="https://c.example.com/dev")
    with controller(settings) as found:
        yield found


def without_time(script: str) -> str:
    return "\n".join(line for line in script.splitlines() if not line.startswith("# Generated: "))


def by_command_line(releases: Path, settings: str, label: str) -> str:
    env = releases.parent / "host.env"
    env.write_text(settings)
    result = CliRunner().invoke(
        main,
        [
            *("render", "install-script", "xora-cc-agent", "--store", CDN, "--channel", "stable"),
            *("--root", str(releases / "root.json"), "--env-file", str(env), "--label", label),
            *("--project", str(releases.parent)),
        ],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_script_is_the_one_of_the_command_line(installing: Running, releases: Path) -> None:
    agent = installing.agent(name="Support $(reboot) 'agent'")
    issued = installing.credentials(agent["id"])
    settings = "".join(
        f"{name}={value}\n"
        for name, value in {
            "AIWM_ENABLED": "true",
            "AIWM_BASE_URL": "https://c.example.com/dev",
            "AIWM_AGENT_ID": agent["id"],
            "AIWM_AGENT_SECRET": issued["secret"],
            "LOG_LEVEL": "info",
            "LOG_FILE": "./logs/agent.log",
        }.items()
    )
    expected = by_command_line(releases, settings, agent["name"])
    assert without_time(issued["installScript"]) == without_time(expected)
    subprocess.run(["bash", "-n"], input=issued["installScript"], text=True, check=True)


def test_env_config_holds_what_the_guide_lists(running: Running) -> None:
    agent = running.agent(
        name="Customer Support Agent",
        settings={
            "claudeModel": "claude-x",
            "claude_oauthToken": "oauth",
            "discord": {"token": "d", "channelIds": ["1", "2"]},
            "telegram_token": "t",
            "telegram_groupIds": "-1,-2",
        },
    )
    issued = running.credentials(agent["id"])
    text = issued["envConfig"]
    assert text.startswith("# ===== AIWM Integration =====\nAIWM_ENABLED=true\n")
    assert f"\nAIWM_AGENT_SECRET={issued['secret']}\n" in text
    assert parse_env(text) == {
        "AIWM_ENABLED": "true",
        "AIWM_BASE_URL": "http://testserver",
        "AIWM_AGENT_ID": agent["id"],
        "AIWM_AGENT_SECRET": issued["secret"],
        "AGENT_NAME": "Customer Support Agent",
        "CLAUDE_MODEL": "claude-x",
        "CLAUDE_MAX_TURNS": "100",
        "CLAUDE_PERMISSION_MODE": "bypassPermissions",
        "CLAUDE_RESUME": "true",
        "CLAUDE_CODE_OAUTH_TOKEN": "oauth",
        "DISCORD_TOKEN": "d",
        "DISCORD_CHANNEL_ID": "1,2",
        "TELEGRAM_BOT_TOKEN": "t",
        "TELEGRAM_GROUP_ID": "-1,-2",
    }


@pytest.mark.parametrize("value", ["a\nEVIL=1", "'$(id)\n`x`", "\\", '"', "a b # c"])
def test_no_setting_becomes_another_variable(running: Running, value: str) -> None:
    agent = running.agent(settings={"discord_token": value})
    found = parse_env(running.credentials(agent["id"])["envConfig"])
    assert found.get("DISCORD_TOKEN", value) == value
    assert "EVIL" not in found


def test_where_no_script_can_be_made_it_says_so_and_fails(running: Running) -> None:
    script = running.credentials(running.agent()["id"])["installScript"]
    run = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=False)
    assert run.returncode == 1
    assert "no install script can be made for xora-cc-agent" in run.stderr
    assert "put the store's root.json into the folder" in run.stderr


def test_only_a_token_gives_the_whole_script_and_only_once(installing: Running) -> None:
    agent = installing.agent()
    issued = installing.credentials(agent["id"])
    path = f"/agents/{agent['id']}/install-script"
    bare = installing.nobody("GET", path)
    assert bare.status_code == 200
    assert bare.headers["content-type"].startswith("text/x-shellscript")
    assert issued["secret"] not in bare.text
    assert agent["id"] in bare.text
    assert agent["name"] not in bare.text, "who has no right to it learns no name"
    whole = f"{path}?token={issued['installToken']}"
    assert issued["installScriptUrl"].endswith(whole)
    other = installing.agent(name="Other")
    crossed = f"/agents/{other['id']}/install-script?token={issued['installToken']}"
    assert installing.nobody.status("GET", crossed) == 401
    got = installing.nobody("GET", whole)
    assert without_time(got.text) == without_time(issued["installScript"])
    assert installing.nobody.status("GET", whole) == 401
    again = installing.credentials(agent["id"])
    installing.watch.later(seconds=901)
    assert installing.nobody.status("GET", f"{path}?token={again['installToken']}") == 401


def test_of_many_who_use_a_token_at_once_one_gets_the_script(installing: Running) -> None:
    agent = installing.agent()
    issued = installing.credentials(agent["id"])
    path = f"/agents/{agent['id']}/install-script?token={issued['installToken']}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: installing.nobody("GET", path), range(8)))
    assert sorted(each.status_code for each in answers) == [200] + [401] * 7
    assert sum(issued["secret"] in each.text for each in answers) == 1


def test_the_bare_script_asks_for_the_secret(installing: Running, tmp_path: Path) -> None:
    agent = installing.agent()
    script = installing.nobody("GET", f"/agents/{agent['id']}/install-script").text
    asks = script.replace('main "$@"\n}', 'ask_settings; settings | tr "\\0" "\\n"\n}')
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "INSTALL_DIR": str(tmp_path / "no")}
    run = subprocess.run(
        ["setsid", "bash"], input=asks, text=True, capture_output=True, env=home, check=False
    )
    assert run.returncode == 24, run.stderr
    assert "AIWM_AGENT_SECRET is not set" in run.stderr
    run = subprocess.run(
        ["setsid", "bash"],
        input=asks,
        text=True,
        capture_output=True,
        env={**home, "AIWM_AGENT_SECRET": "given"},
        check=True,
    )
    assert "AIWM_AGENT_SECRET=given" in run.stdout
    assert f"AIWM_AGENT_ID={agent['id']}" in run.stdout


def test_managed_agents_have_no_credentials_to_regenerate(running: Running) -> None:
    agent = running.agent(type="managed")
    answer = running.owner("POST", f"/agents/{agent['id']}/regenerate-credentials")
    assert answer.status_code == 400
    assert "Only autonomous agents" in answer.json()["message"]


def test_nothing_that_is_stored_gives_a_secret_away(running: Running) -> None:
    agent = running.agent()
    issued = running.credentials(agent["id"])
    path = Path(str(running.settings.database.database))
    stored = b"".join(file.read_bytes() for file in path.parent.glob("controller.db*"))
    assert agent["id"].encode() in stored
    assert issued["secret"].encode() not in stored
    assert issued["installToken"].encode() not in stored


CLAIM = "a" * 64


def enrollment(running: Running, **fields: Any) -> Any:
    body = {"name": "fleet", "agent": {"tags": ["fleet"]}, **fields}
    return running.owner.ok("POST", "/enrollment-tokens", body)


def test_each_host_gets_an_agent_and_a_credential_of_its_own(running: Running) -> None:
    token = enrollment(running)
    made = [
        running.nobody.ok(
            "POST", "/enroll", {"token": token["token"], "host": host, "claim": CLAIM}
        )
        for host in ("web-1", "web-2", "web-1")
    ]
    assert made[0]["agentId"] != made[1]["agentId"]
    assert made[0]["agentId"] == made[2]["agentId"], "the same host is the same agent"
    assert len({each["secret"] for each in made}) == 3
    statuses = [
        running.nobody.status(
            "POST", f"/agents/{each['agentId']}/connect", {"secret": each["secret"]}
        )
        for each in made
    ]
    assert statuses == [401, 200, 200]
    found = running.owner.ok("GET", "/agents?tag=fleet&sortBy=name&sort=asc")["data"]
    assert [each["host"] for each in found] == ["web-1", "web-2"]
    listed = running.owner.ok("GET", "/enrollment-tokens")["data"][0]
    assert listed["uses"] == 3
    assert token["token"] not in str(listed)


def test_a_revoked_token_enrolls_nobody(running: Running) -> None:
    token = enrollment(running)
    body = {"token": token["token"], "host": "a"}
    issued = running.nobody.ok("POST", "/enroll", body)
    assert running.stranger.status("DELETE", f"/enrollment-tokens/{token['id']}") == 404
    running.owner.ok("DELETE", f"/enrollment-tokens/{token['id']}")
    assert running.nobody.status("POST", "/enroll", body) == 401
    path = f"/agents/{issued['agentId']}/connect"
    assert running.nobody.status("POST", path, {"secret": issued["secret"]}) == 200
    kinds = {each["kind"] for each in running.owner.ok("GET", "/audit?limit=50")["data"]}
    assert {"enrollment-token.created", "agent.enrolled", "enrollment-token.revoked"} <= kinds


def test_tokens_end_by_time_and_by_use(running: Running) -> None:
    later = (running.watch.now).isoformat()
    assert (
        running.owner.status("POST", "/enrollment-tokens", {"name": "late", "expiresAt": later})
        == 400
    )
    running.watch.later(hours=-1)
    timed = enrollment(running, expiresAt=later)["token"]
    running.watch.later(hours=2)
    assert running.nobody.status("POST", "/enroll", {"token": timed, "host": "a"}) == 401
    once = enrollment(running, maxUses=1)["token"]
    hosts = [running.nobody.status("POST", "/enroll", {"token": once, "host": h}) for h in "ab"]
    assert hosts == [201, 401]


def test_a_host_can_get_its_script_in_one_call(installing: Running) -> None:
    token = enrollment(installing)["token"]
    answer = installing.nobody("POST", "/enroll/install-script", {"token": token, "host": "web-1"})
    assert answer.status_code == 201
    assert "AIWM_AGENT_SECRET=" in answer.text
    subprocess.run(["bash", "-n"], input=answer.text, text=True, check=True)


def test_the_script_for_many_hosts_is_sound(running: Running) -> None:
    script = running.nobody("GET", "/enroll/script").text
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    run = subprocess.run(
        ["setsid", "bash"], input=script, text=True, capture_output=True, check=False
    )
    assert run.returncode == 24
    assert "AIWM_ENROLL_TOKEN is not set" in run.stderr


def test_where_no_script_can_be_made_no_host_is_enrolled(running: Running) -> None:
    token = enrollment(running)["token"]
    body = {"token": token, "host": "web-1"}
    assert running.nobody.status("POST", "/enroll/install-script", body) == 409
    assert running.owner.ok("GET", "/agents")["statistics"]["total"] == 0


def test_unknown_tokens_are_limited(running: Running) -> None:
    body = {"token": "enroll_x", "host": "a"}
    statuses = [running.nobody.status("POST", "/enroll", body) for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_nobody_waits_for_the_hash_of_a_secret(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer: bcrypt in its transaction would hold up all heartbeats."""
    app: Any = running.client.app
    state = app.state.controller
    writing = []
    hashed = state.hasher.hash

    async def watched(secret: str) -> str:
        writing.append(state.database.turn.locked())
        found: str = await hashed(secret)
        return found

    monkeypatch.setattr(state.hasher, "hash", watched)
    running.connected()
    body = {"token": enrollment(running)["token"], "host": "web-1"}
    running.nobody.ok("POST", "/enroll", body)
    assert writing == [False, False]


@pytest.mark.parametrize("claim", [{}, {"claim": "b" * 64}])
def test_a_host_takes_no_agent_that_another_one_claimed(
    running: Running, claim: dict[str, str]
) -> None:
    body = {"token": enrollment(running)["token"], "host": "web-1"}
    issued = running.nobody.ok("POST", "/enroll", {**body, "claim": CLAIM})
    refused = running.nobody("POST", "/enroll", {**body, **claim})
    assert refused.status_code == 403
    assert "DELETE /agents/" in refused.json()["hint"]
    path = f"/agents/{issued['agentId']}"
    assert running.nobody.status("POST", f"{path}/connect", {"secret": issued["secret"]}) == 200
    assert running.owner.ok("GET", "/enrollment-tokens")["data"][0]["uses"] == 1

    assert running.stranger.status("DELETE", f"{path}/claim") == 404
    running.owner.ok("DELETE", f"{path}/claim")
    again = running.nobody.ok("POST", "/enroll", {**body, **claim})
    assert again["agentId"] == issued["agentId"]
    assert running.nobody.status("POST", "/enroll", {**body, "claim": CLAIM}) == 403
    kinds = [each["kind"] for each in running.owner.ok("GET", "/audit?limit=50")["data"]]
    assert "agent.claim-released" in kinds


def test_only_who_enrolled_has_a_claim_to_let_go_of(running: Running) -> None:
    assert running.owner.status("DELETE", f"/agents/{running.agent()['id']}/claim") == 400


def test_the_script_for_many_hosts_keeps_one_claim(running: Running, tmp_path: Path) -> None:
    curl = tmp_path / "curl"
    curl.write_text(
        f"""#!/bin/bash
cat >>{tmp_path}/sent; echo >>{tmp_path}/sent
while [[ "$1" != --output ]]; do shift; done
echo true >"$2"
printf 201
""",
        "utf-8",
    )
    curl.chmod(0o755)
    claim = tmp_path / "kept" / "claim"
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "AIWM_ENROLL_TOKEN": "enroll_x",
        "AIWM_ENROLL_CLAIM": str(claim),
    }
    script = running.nobody("GET", "/enroll/script").text
    for _ in range(2):
        done = subprocess.run(
            ["bash"], input=script, text=True, capture_output=True, check=False, env=environ
        )
        assert done.returncode == 0, done.stderr
        assert claim.read_text("utf-8") not in done.stdout + done.stderr
    sent = [json.loads(line) for line in (tmp_path / "sent").read_text("utf-8").splitlines()]
    assert [each["claim"] for each in sent] == [claim.read_text("utf-8")] * 2
    assert claim.stat().st_mode & 0o777 == 0o600
