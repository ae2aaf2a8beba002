"""The collection under ansible-test, and under the oldest ansible-core that it names."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ansible import BIN, TOP, fleet, install_collection
from tests.support.hosts import Host
from tests.support.releases import Released, publish, tiny
from tests.support.serve import StoreServer
from toolkit.install_script import Choices
from toolkit.order import offering

OLDEST = "2.16"
# What ansible-test gets pip by, where it may not fetch it from a place of its own.
GET_PIP = """\
import subprocess
import sys

sys.exit(subprocess.call([sys.executable, "{wheel}/pip", "install", "-q", "--no-index", "{wheel}"]))
"""


def run(argv: list[str], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def put_pip(home: Path) -> None:
    """Put the pip of this repository where ansible-test looks for the one that it once fetched."""
    source = importlib.util.find_spec("ansible_test._internal.python_requirements")
    assert source is not None
    assert source.origin is not None
    versions = re.findall(r"pip='([0-9.]+)'", Path(source.origin).read_text("utf-8"))
    (wheel,) = (TOP / "requirements").glob("pip-*.whl")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    for version in versions:
        file = cache / f"get_pip_{version.replace('.', '_')}.py"
        file.write_text(GET_PIP.format(wheel=wheel), "utf-8")


@pytest.mark.network
def test_ansible_test_finds_nothing(tmp_path: Path) -> None:
    tree = tmp_path / "ansible_collections" / "aiwm" / "toolkit"
    tree.mkdir(parents=True)
    for name in ("galaxy.yml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(TOP / name, tree)
    for name in ("meta", "playbooks", "plugins", "roles", "tests/sanity"):
        shutil.copytree(TOP / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "tests" / "config.yml", tree / "tests")
    run(["git", "init", "--quiet"], tree)
    run(["git", "add", "--all"], tree)
    put_pip(tmp_path)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    words = ["ansible-test", "sanity", "--python", python, "--color", "no"]
    done = run([sys.executable, str(BIN / words[0]), *words[1:]], tree, HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout
    for test in ("validate-modules", "import", "compile", "pylint", "ansible-doc"):
        assert f'Running sanity test "{test}"' in done.stdout


@pytest.fixture(scope="session")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the oldest ansible-core."""
    folder = tmp_path_factory.mktemp("oldest")
    uv = str(BIN / "uv")
    python = [uv, "pip", "install", "--quiet", "--python", str(folder / "env" / "bin" / "python")]
    for argv in (
        [uv, "venv", "--quiet", str(folder / "env")],
        [*python, f"ansible-core=={OLDEST}.*"],
    ):
        done = run(argv, folder)
        assert done.returncode == 0, done.stdout
    return folder / "env" / "bin"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


@pytest.mark.network
@pytest.mark.hosts
@pytest.mark.either_suite
def test_the_oldest_ansible_plays_it(
    oldest: Path, plain: Released, store: StoreServer, host: Host, tmp_path: Path
) -> None:
    assert OLDEST in run([str(oldest / "ansible"), "--version"], tmp_path).stdout
    publish(plain, store)
    with fleet(tmp_path, install_collection(tmp_path, oldest), [host], oldest) as one:
        one.write(offering(plain.spec, plain.dist, Choices(store.url)))
        for words, changed in ((["--check", "--diff"], 1), ([], 1), ([], 0)):
            played = one.play("install", *words)
            assert played.code == 0, played.output
            assert f"changed={changed}" in played.output
        assert "tiny 1.0.0" in one.play("status").output
        assert one.play("verify").code == 0
        assert "changed=1" in one.play("uninstall").output
