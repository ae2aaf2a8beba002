"""Every command explains itself, and the guide names all that there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from toolkit.cli import main

TOP = Path(__file__).parent.parent.parent.parent
RENDERED = {"install-script", "ansible-vars", "systemd", "pm2", "env"}
NO_JSON_NEEDED = {"init", "schema", "demo", *RENDERED}


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(leaves(main))


@pytest.mark.parametrize("path", COMMANDS)
def test_help_has_examples(path: str) -> None:
    done = CliRunner().invoke(main, [*path.split(), "--help"])
    assert done.exit_code == 0
    assert f"toolkit {path}" in done.output


@pytest.mark.parametrize("path", COMMANDS)
def test_a_machine_may_read_it(path: str) -> None:
    if path.rsplit(maxsplit=1)[-1] not in NO_JSON_NEEDED:
        options = [option for each in COMMANDS[path].params for option in each.opts]
        assert "--json" in options


@pytest.mark.parametrize("path", COMMANDS)
def test_the_guide_names_the_command_and_its_options(path: str) -> None:
    guide = (TOP / "docs" / "commands.md").read_text("utf-8")
    assert f"`toolkit {path}" in guide
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            longest = max(parameter.opts, key=len)
            assert f"`{longest}" in guide, longest


def test_an_unknown_agent_is_told_which_there_are(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["render", "systemd", "nobody", "--project", str(tmp_path)])
    assert done.exit_code == 4
    assert "there is no agent called 'nobody'" in done.output
    assert "glances, verdaccio" in done.output


def test_an_unbuilt_release_says_what_to_run(tmp_path: Path) -> None:
    wanted = ["render", "install-script", "glances", "--store", "https://x.example"]
    done = CliRunner().invoke(main, [*wanted, "--project", str(tmp_path)])
    assert done.exit_code == 4
    assert "run `toolkit release glances`" in done.output


def test_a_manager_that_the_agent_does_not_have(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["render", "pm2", "glances", "--project", str(tmp_path)])
    assert done.exit_code == 3
    assert "add 'pm2' to service.managers" in done.output


def test_debug_adds_the_traceback(tmp_path: Path) -> None:
    words = ["render", "systemd", "nobody", "--project", str(tmp_path)]
    assert "Traceback" not in CliRunner().invoke(main, words).output
    assert "Traceback" in CliRunner().invoke(main, ["--debug", *words]).output


def test_a_script_with_settings_is_for_its_owner_alone(tmp_path: Path) -> None:
    dist = tmp_path / "release" / "dist"
    dist.mkdir(parents=True)
    name = "glances-v4.5.8-linux-x64.tar.gz"
    (dist / f"{name}.sha256").write_text(f"{'ab' * 32}  {name}\n", "utf-8")
    env = tmp_path / ".env"
    env.write_text("TOKEN='a b'\n", "utf-8")
    out = tmp_path / "install.sh"
    words = ["render", "install-script", "glances", "--store", "https://x.example/agents/"]
    options = ["--env-file", str(env), "--output", str(out), "--project", str(tmp_path)]
    done = CliRunner().invoke(main, [*words, *options])
    assert done.exit_code == 0, done.output
    text = out.read_text("utf-8")
    assert out.stat().st_mode & 0o777 == 0o700
    assert "'TOKEN=a b'" in text
    assert "readonly STORE=https://x.example/agents\n" in text


def test_the_schema_is_json() -> None:
    assert json.loads(CliRunner().invoke(main, ["schema"]).output)["title"] == "AgentSpec"


def test_a_demonstration_in_a_folder_takes_no_image() -> None:
    done = CliRunner().invoke(main, ["demo", "--on", "folder", "--image", "x"])
    assert done.exit_code == 2
    assert "--image is for a container" in done.output
