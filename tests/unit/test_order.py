"""Orders from the variables of an inventory, and the variables that a release gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.support.signed_store import SignedStore
from toolkit import engine
from toolkit.artifact import Artifact, checksum_file
from toolkit.cli import main
from toolkit.config import parse_agent
from toolkit.errors import ConfigError, NotFoundError
from toolkit.install_script import Choices
from toolkit.order import Task, as_yaml, build, offering
from toolkit.spec import AgentSpec

TOP = Path(__file__).parent.parent.parent
URL = "https://cdn.example.com/agents"
SECRETS = {"GLANCES_PASSWORD": "s3cret"}


@pytest.fixture
def spec() -> AgentSpec:
    file = TOP / "release" / "glances.toml"
    return parse_agent(file.read_text("utf-8"), file=str(file))


@pytest.fixture
def signed(spec: AgentSpec, tmp_path: Path) -> dict[str, Any]:
    root = SignedStore(tmp_path / "store").root_bytes()
    return offering(spec, tmp_path, Choices(URL, root=root, channel="stable"))


def test_signed_releases_are_named_by_root_and_channel(signed: dict[str, Any]) -> None:
    assert list(signed) == [
        *("agent_name", "agent_store", "agent_channel", "agent_root", "agent_agentctl"),
    ]
    agentctl = engine.build()
    assert signed["agent_agentctl"] == {"name": agentctl.name, "sha256": agentctl.sha256}
    assert json.loads(signed["agent_root"])["signed"]["_type"] == "root"


def test_pinned_releases_are_named_by_version_and_hashes(spec: AgentSpec, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        offering(spec, tmp_path, Choices(URL))
    tarball = Artifact(spec.name, spec.release_version, "linux-x64").tarball
    (tmp_path / checksum_file(tarball)).write_text(f"{'a' * 64}  {tarball}\n", "ascii")
    found = offering(spec, tmp_path, Choices(URL))
    assert found["agent_version"] == spec.release_version
    assert found["agent_tarballs"] == [["linux-x64", tarball, "a" * 64]]
    with pytest.raises(ConfigError, match="channel stable"):
        offering(spec, tmp_path, Choices(URL, channel="stable"))


def test_the_yaml_reads_as_what_it_was_written_from(
    signed: dict[str, Any], spec: AgentSpec, tmp_path: Path
) -> None:
    assert yaml.safe_load(as_yaml(signed, "head\nof two lines")) == signed
    rows = {"agent_tarballs": [["any", "a: b", "# c"]], "agent_version": "1.10"}
    assert yaml.safe_load(as_yaml(rows, "")) == rows


def test_the_command_prints_what_hosts_install(tmp_path: Path) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(SignedStore(tmp_path / "store").root_bytes())
    words = ["render", "ansible-vars", "glances", "--store", URL, "--root", str(root)]
    done = CliRunner().invoke(main, [*words, "--channel", "stable"])
    assert done.exit_code == 0, done.output
    found = yaml.safe_load(done.output)
    assert (found["agent_name"], found["agent_channel"]) == ("glances", "stable")


def test_variables_of_a_host_come_over_those_of_the_release(signed: dict[str, Any]) -> None:
    mine = {"agent_channel": "beta", "agent_watch": 30, "agent_user": "", "ansible_user": "me"}
    settings = {"agent_environment": {"PORT": 8080}, "agent_secrets": SECRETS}
    order = build(Task("install", check=True), {**signed, **mine, **settings})
    assert order == {
        "schema": 1,
        "verb": "install",
        "check": True,
        "arguments": [],
        "name": "glances",
        "store": URL,
        "channel": "beta",
        "watch": 30,
        "settings": {"PORT": 8080, **SECRETS},
        "trust": {"root": signed["agent_root"]},
        "agentctl": signed["agent_agentctl"],
    }
    assert json.loads(json.dumps(order)) == order


def test_a_root_may_be_written_as_yaml(signed: dict[str, Any]) -> None:
    order = build(Task("install"), {**signed, "agent_root": json.loads(signed["agent_root"])})
    assert json.loads(order["trust"]["root"]) == json.loads(signed["agent_root"])


def test_agentctl_can_come_with_the_order(signed: dict[str, Any]) -> None:
    assert build(Task("install", agentctl=b"bytes"), signed)["agentctl"]["data"] == "Ynl0ZXM="


def test_an_upgrade_of_what_is_pinned_is_an_installation(signed: dict[str, Any]) -> None:
    assert build(Task("upgrade"), signed)["verb"] == "upgrade"
    pinned = {**signed, "agent_root": None, "agent_tarballs": [["any", "f", "a"]]}
    order = build(Task("upgrade"), pinned)
    assert (order["verb"], order["trust"]) == ("install", {"tarballs": [["any", "f", "a"]]})


def test_a_rollback_goes_not_by_what_the_hosts_should_run(signed: dict[str, Any]) -> None:
    assert "version" not in build(Task("rollback"), {**signed, "agent_version": "4.5.9"})
    assert build(Task("rollback", version="4.5.7"), signed)["version"] == "4.5.7"


def test_what_is_missing_is_named(signed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="agent_name"):
        build(Task("status"), {})
    with pytest.raises(ConfigError, match="agent_store"):
        build(Task("install"), {"agent_name": "glances"})
    assert build(Task("status"), {"agent_name": "glances"})["verb"] == "status"


def test_a_template_is_refused_and_not_shown(signed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="agent_secrets") as caught:
        build(Task("install"), {**signed, "agent_secrets": {"A": "{{ vault_a }}"}})
    assert "vault_a" not in str(caught.value)
