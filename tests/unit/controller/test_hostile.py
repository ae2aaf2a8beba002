"""No text that somebody sets becomes code in a script, or a line of its own in an .env file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiwm_controller.app import create
from aiwm_controller.settings import Settings

from tests.support.aiwm import Running, controller, sqlite_settings
from tests.support.need import need_command
from tests.support.signed_store import SignedStore
from tests.unit.controller.test_credentials import RELEASE
from toolkit.host.envfile import parse_env

CANARY = "touch canary"
HOSTILE = (
    f"$({CANARY})",
    f"`{CANARY}`",
    f"'; {CANARY}; '",
    f"x\n{CANARY}\n",
    f"\\\r\n{CANARY}",
    f"EOF\n{CANARY}\n",
    "${IFS}\u202e\U0001f600'\"\\%s%n",
    f"*) {CANARY};; ~/../{{a,b}}",
)


@pytest.fixture
def installing(tmp_path: Path, made: Path) -> Iterator[Running]:
    shutil.copy(made, tmp_path)
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "xora-cc-agent.toml").write_text(RELEASE)
    signed = SignedStore(tmp_path / "store", agents=("xora-cc-agent",))
    (folder / "root.json").write_bytes(signed.root_bytes())
    with controller(sqlite_settings(tmp_path, releases=folder)) as found:
        yield found


def texts() -> list[str]:
    """Give the fields of an agent that may hold text, as the OpenAPI document names them."""
    properties = create(Settings()).openapi()["components"]["schemas"]["AgentIn"]["properties"]
    found = []
    for name, each in properties.items():
        parts = (each, *each.get("anyOf", ()), each.get("items", {}))
        if any(part.get("type") in {"string", "object"} for part in parts):
            found.append(name)
    assert {"name", "description", "settings", "tags", "release", "instructionId"} <= set(found)
    return found


def holding(name: str, value: str) -> Any:
    if name == "settings":
        return {value: value, "discord_token": value, "claude_model": value, "auth_roles": [value]}
    if name == "metadata":
        return {value: value}
    return [value] if name in {"tags", "allowedToolIds"} else value


def hostile_agent(running: Running, value: str) -> Any:
    """Make an agent that has the value in each field that takes it."""
    body: dict[str, Any] = {"name": "plain", "type": "autonomous"}
    for name in texts():
        if name not in {"type", "status", "role"}:
            tried = {**body, name: holding(name, value)}
            answer = running.owner("POST", "/agents", tried)
            assert answer.status_code in {201, 400, 422}, answer.text
            body = tried if answer.status_code == 201 else body
    assert "settings" in body
    return running.owner.ok("POST", "/agents", body)


def check_script(text: str, folder: Path) -> None:
    """Raise unless a script is sound and, where it is not asked to install, does nothing."""
    need_command("shellcheck")
    file = folder / "script.sh"
    file.write_bytes(text.encode())
    subprocess.run(["bash", "-n", file], check=True)
    subprocess.run(["shellcheck", "--severity=warning", file], check=True)
    inside = folder / "inside"
    inside.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(inside), "INSTALL_DIR": str(inside)}
    for arguments in (["--help"], ["--no-such-option"]):
        subprocess.run(
            ["setsid", "bash", file, *arguments],
            cwd=inside,
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert list(inside.iterdir()) == [], f"it did something: {text[:500]}"


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_that_an_agent_is_called_runs(
    installing: Running, tmp_path: Path, value: str
) -> None:
    agent = hostile_agent(installing, value)
    issued = installing.credentials(agent["id"])
    check_script(issued["installScript"], tmp_path)
    bare = installing.nobody("GET", f"/agents/{agent['id']}/install-script").text
    subprocess.run(["bash", "-n"], input=bare, text=True, check=True)
    names = {line.split("=")[0] for line in issued["envConfig"].splitlines() if "=" in line}
    assert CANARY.split(maxsplit=1)[0] not in names
    found = parse_env(issued["envConfig"])
    assert found["AIWM_AGENT_SECRET"] == issued["secret"]
    assert found.get("DISCORD_TOKEN", value) == value
    assert set(found) <= {
        *("AIWM_ENABLED", "AIWM_BASE_URL", "AIWM_AGENT_ID", "AIWM_AGENT_SECRET", "AGENT_NAME"),
        *("CLAUDE_MODEL", "CLAUDE_MAX_TURNS", "CLAUDE_PERMISSION_MODE", "CLAUDE_RESUME"),
        "DISCORD_TOKEN",
    }


@pytest.mark.parametrize("key", ["agent.download.baseUrl", "agent.release.channel"])
@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_that_is_configured_runs(
    installing: Running, tmp_path: Path, key: str, value: str
) -> None:
    address = f"https://cdn.example.com/{value}" if key.endswith("Url") else value
    status = installing.owner.status("POST", "/configurations", {"key": key, "value": address})
    assert status in {200, 422}
    if status == 422:
        return
    issued = installing.credentials(installing.agent()["id"])
    check_script(issued["installScript"], tmp_path)


@pytest.mark.parametrize("value", HOSTILE)
def test_no_host_that_enrolls_and_no_address_that_is_asked_runs(
    installing: Running, tmp_path: Path, value: str
) -> None:
    token = installing.owner.ok("POST", "/enrollment-tokens", {"name": value.splitlines()[0]})
    body = {"token": token["token"], "host": value}
    assert installing.nobody.status("POST", "/enroll", body) == 422
    named = {**body, "host": "web-1", "tags": [value]}
    assert installing.nobody.status("POST", "/enroll", named) == 422
    host = value.encode("ascii", "replace").replace(b"\r", b"").replace(b"\n", b"")
    for path in ("/enroll/script", f"/agents/{installing.agent()['id']}/install-script"):
        answer = installing.nobody("GET", path, headers={"Host": host.decode()})
        if answer.status_code == 200:
            check_script(answer.text, tmp_path)
