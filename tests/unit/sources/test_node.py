"""What of npm's work goes into a release, and for which platforms it is the same."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.support import fake_npm
from toolkit.errors import BuildError, MissingToolError
from toolkit.progress import Silent
from toolkit.release import Built, Settings, build
from toolkit.sources.node import is_portable
from toolkit.spec import AgentSpec, Platform


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake_npm.install(tmp_path / "programs", monkeypatch)
    project = tmp_path / "project"
    write_lock(project, "agent", {"tool": {"version": "1.0.0", "files": {"index.js": "1"}}})
    return project


def write_lock(project: Path, name: str, packages: dict[str, dict[str, Any]]) -> None:
    folder = project / "release" / "locks" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text("{}")
    rows = {f"node_modules/{package}": values for package, values in packages.items()}
    (folder / "package-lock.json").write_text(json.dumps({"packages": {"": {}, **rows}}))


def release(
    project: Path, platform: Platform = "linux-x64", runtime: Any = None, **changes: Any
) -> Built:
    spec = AgentSpec.model_validate(
        {
            "name": "agent",
            "title": "An agent",
            "source": "npm:tool@1.0.0",
            "runtime": {"kind": "node", "version": "24.0.0", "bundled": False, **(runtime or {})},
            "service": {"exec": ["{node}", "index.js"]},
            **changes,
        }
    )
    return build(spec, platform, Settings(project, project / "out", check=True), Silent())


def names(built: Built) -> list[str]:
    return [file.path for file in built.files if not file.path.startswith(("toolkit/", ".env"))]


def test_a_package_with_its_lock_and_without_npms_notes(project: Path) -> None:
    built = release(project)
    assert names(built) == [
        "node_modules/tool/index.js",
        "node_modules/tool/package.json",
        "package-lock.json",
        "package.json",
    ]
    assert built.artifact.platform is None


def test_links_to_programs_are_kept(project: Path) -> None:
    tool = {"version": "1.0.0", "files": {"cli.js": ""}, "bin": {"tool": "cli.js"}}
    write_lock(project, "agent", {"tool": tool})
    [link] = [file for file in release(project).files if file.link]
    assert (link.path, link.link) == ("node_modules/.bin/tool", "../tool/cli.js")


def test_node_and_pm2_are_packed_as_agentctl_expects_them(project: Path) -> None:
    node = {"files": {"bin/node": "ELF", "LICENSE": "MIT", "README.md": ""}}
    both = {f"node-linux-{cpu}": {"cpu": [cpu], **node} for cpu in ("x64", "arm64")}
    write_lock(project, "node-24.0.0", both)
    write_lock(project, "pm2-7.0.0", {"pm2": {"version": "7.0.0", "files": {"bin/pm2": ""}}})
    built = release(project, "linux-arm64", {"bundled": True, "pm2": "7.0.0"})
    assert [name for name in names(built) if name.startswith("runtime/")] == [
        "runtime/node/LICENSE",
        "runtime/node/bin/node",
        "runtime/pm2/node_modules/pm2/bin/pm2",
        "runtime/pm2/node_modules/pm2/package.json",
    ]
    assert built.artifact.tarball == "agent-v1.0.0-linux-arm64.tar.gz"


def test_npm_may_leave_node_out_in_silence(project: Path) -> None:
    write_lock(project, "node-24.0.0", {})
    with pytest.raises(BuildError, match="for linux-x64 came without bin/node"):
        release(project, runtime={"bundled": True})


def test_a_lock_that_is_missing_says_how_to_make_it(project: Path) -> None:
    with pytest.raises(BuildError, match="no lock file pm2") as caught:
        release(project, runtime={"pm2": "1.2.3"})
    assert "toolkit lock agent" in caught.value.hint


def test_a_lock_for_another_version_is_refused(project: Path) -> None:
    with pytest.raises(BuildError, match="the lock file of agent is for"):
        release(project, source="npm:tool@1.1.0")


def test_a_machine_without_npm(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the stand-in
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(MissingToolError, match="no npm on this machine can be run") as caught:
        release(project)
    assert "install Node.js" in caught.value.hint


@pytest.fixture
def folder(project: Path) -> Path:
    folder = project / "app"
    (folder / "dist").mkdir(parents=True)
    (folder / "dist" / "index.js").write_text("1")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "package-lock.json").write_text(
        json.dumps({"packages": {"": {}, "node_modules/dep": {}}})
    )
    (folder / "node_modules" / "stale").mkdir(parents=True)
    (folder / "node_modules" / "stale" / "index.js").write_text("")
    return folder


def test_a_folder_gets_the_packages_of_its_lock_and_none_of_its_own(
    project: Path, folder: Path
) -> None:
    built = release(project, source="app", version="1.0.0", build={"include": ["dist/**"]})
    assert names(built) == [
        "dist/index.js",
        "node_modules/dep/package.json",
        "package-lock.json",
        "package.json",
    ]
    assert (folder / "node_modules" / "stale").exists()


@pytest.mark.parametrize("file", ["package.json", "package-lock.json"])
def test_a_folder_without_lock(file: str, project: Path, folder: Path) -> None:
    (folder / file).unlink()
    with pytest.raises(BuildError, match=f"has no {file}"):
        release(project, source="app", version="1.0.0")


def test_install_scripts_do_not_run_for_another_machine(project: Path) -> None:
    other: Platform = "linux-x64" if platform.machine() == "aarch64" else "linux-arm64"
    with pytest.raises(BuildError, match="cannot build the npm packages"):
        release(project, other, build={"install_scripts": True})


@pytest.mark.parametrize(
    ("package", "scripts", "portable"),
    [
        ({}, False, True),
        ({"os": ["darwin"], "cpu": ["x64"]}, False, True),
        ({"os": ["linux"], "cpu": ["x64"]}, False, False),
        ({"os": "linux", "cpu": "arm64"}, False, False),
        ({"cpu": ["!arm64"]}, False, False),
        ({"cpu": ["!ia32"]}, False, True),
        ({"cpu": ["x64", "arm64"]}, False, True),
        ({"os": ["!win32"]}, False, True),
        ({"hasInstallScript": True}, False, True),
        ({"hasInstallScript": True}, True, False),
    ],
)
def test_which_packages_depend_on_the_platform(
    package: dict[str, Any], scripts: bool, portable: bool
) -> None:
    assert is_portable({"packages": {"node_modules/x": package}}, scripts=scripts) is portable
