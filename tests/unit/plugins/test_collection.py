"""The collection aiwm.toolkit: what it holds, and that its parts say the same."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ansible import BIN, TOP, install_collection
from toolkit import __version__

PLAYBOOKS = sorted((TOP / "playbooks").glob("*.yml"))
ROLES = sorted(path for path in (TOP / "roles").iterdir() if path.is_dir())
# A setting that stands for something only once it is given.
TOPS = {"docs", "meta", "playbooks", "plugins", "roles"}
FILES = {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "SECURITY.md"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built collection, and the same installed."""
    folder = tmp_path_factory.mktemp("collection")
    install_collection(folder)
    return folder


def documentation(installed: Path, *words: str) -> str:
    environ = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed / "collections")}
    environ["HOME"] = str(installed)
    done = subprocess.run(
        [str(BIN / "ansible-doc"), *words],
        capture_output=True,
        text=True,
        env=environ,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_the_ansible_side_alone(installed: Path) -> None:
    (built,) = (installed / "built").glob("*.tar.gz")
    assert built.name == f"aiwm-toolkit-{__version__}.tar.gz"
    with tarfile.open(built) as archive:
        names = archive.getnames()
    assert {name.partition("/")[0] for name in names} == TOPS | FILES
    assert not any(name.endswith((".pyc", ".toml", ".j2", ".whl")) for name in names)
    assert built.stat().st_size < 200_000


def test_module_and_roles_are_documented(installed: Path) -> None:
    text = documentation(installed, "aiwm.toolkit.agent_release")
    assert all(word in text for word in ("secrets", "rolled_back", "EXAMPLES", "RETURN VALUES"))
    text = documentation(installed, "-t", "role", "aiwm.toolkit.agent")
    assert all(word in text for word in ("agent_store_header", "ENTRY POINT", "rollback"))


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_each_default_of_a_role_is_an_option_of_it(role: Path) -> None:
    options = read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = read(role / "defaults" / "main.yml")
    assert set(defaults) <= set(options)
    assert all(name.startswith(f"{role.name}_") for name in options)
    for name, value in defaults.items():
        if "default" in options[name]:
            assert options[name]["default"] == value, name


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_each_playbook_says_what_it_does(playbook: Path) -> None:
    head = playbook.read_text("utf-8").partition("- name")[0]
    assert f"ansible-playbook aiwm.toolkit.{playbook.stem} -i" in head
    assert "--limit" in head
    assert "agent_serial" in head
    for play in read(playbook):
        if "hosts" in play:
            assert play["tags"]
            assert "agent_serial" in play["serial"]
            assert play["gather_facts"] is False


def test_the_guide_names_every_playbook_and_variable() -> None:
    guide = (TOP / "docs" / "ansible.md").read_text("utf-8")
    for playbook in PLAYBOOKS:
        assert f"aiwm.toolkit.{playbook.stem}" in guide
    for role in ROLES:
        for entry in read(role / "meta" / "argument_specs.yml")["argument_specs"].values():
            for name in entry["options"]:
                assert f"`{name}`" in guide, name
