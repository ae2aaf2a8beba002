"""Each rendered text against its golden file, and against the program that will read it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.support.need import need_command
from toolkit.config import parse_agent
from toolkit.render import (
    InstallScript,
    RenderedFile,
    Tarball,
    container_file,
    env_file,
    install_script,
    pm2_ecosystem,
    release_files,
    systemd_unit,
    systemd_user_unit,
)
from toolkit.spec import AgentSpec

GOLDEN = Path(__file__).parent.parent / "golden" / "rendered"
CASES = sorted(folder.name for folder in GOLDEN.iterdir())
HOSTILE = 'Bob\'s "agent"\n$(touch /tmp/pwned) `id` */ %h \\'


def spec_of(case: str) -> AgentSpec:
    file = GOLDEN / case / "input.toml"
    return parse_agent(file.read_text("utf-8"), file=str(file))


def script_of(spec: AgentSpec) -> RenderedFile:
    settings = {"AIWM_AGENT_ID": HOSTILE} if spec.name == "hostile" else {}
    return install_script(
        spec,
        InstallScript(
            store="https://cdn.example.com/agents",
            tarballs=(
                Tarball("linux-x64", f"{spec.name}-v1-linux-x64.tar.gz", "ab" * 32),
                Tarball("linux-arm64", f"{spec.name}-v1-linux-arm64.tar.gz", "cd" * 32),
            ),
            agentctl="agentctl-0.1.0-0123456789ab.pyz",
            agentctl_sha256="ef" * 32,
            settings=settings,
            label=HOSTILE if spec.name == "hostile" else "",
            generated="2026-11-20T12:00:00+00:00",
        ),
    )


def trusted_script_of(spec: AgentSpec, *, note: str = "", channel: str = "") -> RenderedFile:
    """Give the script that trusts a root: by version for one case, by channel for the others."""
    root = {"signatures": [], "signed": {"_type": "root", "version": 1, "x-note": note}}
    return install_script(
        spec,
        InstallScript(
            store="https://cdn.example.com/agents",
            tarballs=(),
            agentctl="agentctl-0.1.0-0123456789ab.pyz",
            agentctl_sha256="ef" * 32,
            root=json.dumps(root, indent=1),
            channel=channel or ("" if spec.name == "xora-cc-agent" else "stable"),
        ),
    )


def rendered(case: str) -> Iterator[tuple[str, str]]:
    spec = spec_of(case)
    yield f"{spec.service_name}.service", systemd_unit(spec).text
    yield f"user/{spec.service_name}.service", systemd_user_unit(spec).text
    yield "ecosystem.config.js", pm2_ecosystem(spec).text
    yield "env.example", env_file(spec).text
    yield "install.sh", script_of(spec).text
    yield "install-trusted.sh", trusted_script_of(spec).text


@pytest.mark.parametrize("case", CASES)
def test_rendered_texts_are_the_golden_ones(case: str) -> None:
    for name, text in rendered(case):
        golden = GOLDEN / case / name
        if os.environ.get("UPDATE_GOLDEN"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text, "utf-8")
        assert text == golden.read_text("utf-8"), f"{golden} differs; UPDATE_GOLDEN=1 writes it"


def test_the_throwaway_host_of_the_demo_is_the_golden_one() -> None:
    golden = GOLDEN.parent / "container" / "Containerfile"
    text = container_file("ubuntu:24.04").text
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def test_a_title_stays_one_line_in_every_text() -> None:
    """Were a line break of it kept, what follows would be a line of its own, and could run."""
    for name, text in rendered("hostile"):
        for line in text.splitlines():
            if "Bob" in line and "AIWM_AGENT_ID" not in line:
                assert line.startswith(("# ", "// ", "Description=")), f"{name}: {line}"
                assert "touch /tmp/pwned" in line


@pytest.mark.parametrize("case", CASES)
def test_bash_and_shellcheck_read_the_install_script(case: str, tmp_path: Path) -> None:
    need_command("shellcheck")
    script = tmp_path / "install.sh"
    spec = spec_of(case)
    scripts = (script_of(spec), trusted_script_of(spec))
    for text, command in product(scripts, (["bash", "-n"], ["shellcheck"])):
        script.write_text(text.text, "utf-8")
        done = subprocess.run([*command, str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_root_and_the_channel_arrive_as_they_are(tmp_path: Path) -> None:
    rendered = trusted_script_of(spec_of("hostile"), note=HOSTILE, channel=HOSTILE)
    script = rendered.text.removesuffix('main "$@"\n}\n')
    file = tmp_path / "install.sh"
    file.write_text(f'{script}\nprintf \'%s\\0\' "$ROOT" "$CHANNEL"\n}}\n', "utf-8")
    done = subprocess.run(["bash", str(file)], capture_output=True, text=True, check=True)
    root, channel, _ = done.stdout.split("\0")
    assert json.loads(root)["signed"]["x-note"] == HOSTILE
    assert channel == HOSTILE
    assert not Path("/tmp/pwned").exists()


def test_the_install_script_keeps_hostile_settings_as_they_are(tmp_path: Path) -> None:
    """The script is sourced without its last line, and asked for what it would send."""
    script = script_of(spec_of("hostile")).text.removesuffix('main "$@"\n}\n')
    file = tmp_path / "install.sh"
    file.write_text(f"{script}\nsettings\n}}\n", "utf-8")
    done = subprocess.run(["bash", str(file)], capture_output=True, text=True, check=True)
    assert done.stdout == f"AIWM_AGENT_ID={HOSTILE}\0"
    assert not Path("/tmp/pwned").exists()


def test_a_truncated_install_script_does_nothing(tmp_path: Path) -> None:
    text = script_of(spec_of("glances")).text
    file = tmp_path / "install.sh"
    for end in range(0, len(text) - len("}\n"), 23):
        file.write_text(text[:end], "utf-8")
        done = subprocess.run(
            ["bash", str(file)], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.stdout == ""
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("whose", ["system", "user"])
@pytest.mark.parametrize("case", CASES)
def test_systemd_reads_the_unit(case: str, whose: str, tmp_path: Path) -> None:
    need_command("systemd-analyze")
    spec = spec_of(case)
    text = (systemd_unit if whose == "system" else systemd_user_unit)(spec).text
    # Only the program's path is exchanged for one that this machine has.
    text = re.sub(r'^ExecStart="[^"]+"', 'ExecStart="/bin/true"', text, flags=re.MULTILINE)
    unit = tmp_path / f"{spec.service_name}.service"
    unit.write_text(text, "utf-8")
    done = subprocess.run(
        ["systemd-analyze", f"--{whose}", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    about_it = [line for line in done.stderr.splitlines() if unit.name in line]
    assert about_it == []
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", CASES)
def test_node_reads_the_pm2_file_and_every_value_survives(case: str, tmp_path: Path) -> None:
    need_command("node")
    spec = spec_of(case)
    file = tmp_path / "ecosystem.config.js"
    file.write_text(pm2_ecosystem(spec).text, "utf-8")
    subprocess.run(["node", "--check", str(file)], check=True)
    program = f"console.log(JSON.stringify(require({json.dumps(str(file))})))"
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    app = json.loads(done.stdout)["apps"][0]
    home = f"/opt/{spec.service_name}"
    for name, value in spec.service.environment.items():
        assert app["env"][name] == value.replace("{home}", home)
    assert app["name"] == spec.service_name
    assert app["args"][-1:] == (spec.service.exec[-1:] if len(spec.service.exec) > 2 else [])


def test_pm2_never_sees_the_values_of_the_environment_file() -> None:
    """PM2 writes an app's environment into a dump that others may read."""
    text = pm2_ecosystem(spec_of("cc-agent")).text
    assert "--env-file-if-exists=/opt/xora-agent/.env" in text
    assert "SECRET" not in text


def test_the_release_carries_what_its_managers_need() -> None:
    paths = [file.path for file in release_files(spec_of("cc-agent"), "linux-x64")]
    assert paths == [
        "toolkit/release.json",
        ".env.example",
        "toolkit/units/xora-agent.service",
        "toolkit/units/ecosystem.config.js",
    ]


def test_a_script_with_settings_is_for_its_owner_alone() -> None:
    assert script_of(spec_of("hostile")).mode == 0o700
    assert script_of(spec_of("glances")).mode == 0o755
