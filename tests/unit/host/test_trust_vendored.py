"""The vendored code is what its authors published, but for what its README lists."""

from __future__ import annotations

import ast
import importlib.metadata
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.signed_store import SignedStore, release
from toolkit import engine

TOP = Path(__file__).parent.parent.parent.parent
HOST = TOP / "toolkit" / "host"
VENDOR = HOST / "_vendor"
VERSIONS = {"tuf": "7.0.1", "securesystemslib": "1.6.0"}
CHANGED = {
    "tuf/ngclient/__init__.py",
    "tuf/ngclient/updater.py",
    "securesystemslib/signer/__init__.py",
    "securesystemslib/signer/_key.py",
}
ADDED = {"securesystemslib/_internal/__init__.py"}
FILES = sorted(
    path.relative_to(VENDOR).as_posix()
    for name in VERSIONS
    for path in (VENDOR / name).rglob("*.py")
)
# Without the package cryptography, and with nothing of this environment in reach.
WITHOUT_CRYPTOGRAPHY = """\
import sys
sys.modules["cryptography"] = None
sys.path.insert(0, sys.argv[1])
from datetime import datetime, timezone
from pathlib import Path
from toolkit.host.choice import Host, Wanted
from toolkit.host.trust import Trust
clock = lambda: datetime.now(timezone.utc)
home = Path(sys.argv[2])
trust = Trust(home, sys.argv[3], (Path(sys.argv[3]) / "metadata/1.root.json").read_bytes(), clock)
print(trust.pick(Wanted("tiny", "1.0.0"), Host("linux-x64", "", None, "0.1.0", clock())).file)
strangers = [name for name, module in sys.modules.items() if module and name.split(".")[0] in
             ("tuf", "securesystemslib", "cryptography", "urllib3", "requests")]
print(strangers)
"""


def original(name: str) -> str:
    package = name.split("/", maxsplit=1)[0]
    assert importlib.metadata.version(package) == VERSIONS[package]
    text = Path(str(importlib.metadata.distribution(package).locate_file(name))).read_text("utf-8")
    return re.sub(
        r"^(\s*)(from|import) (tuf|securesystemslib)\b",
        r"\1\2 toolkit.host._vendor.\3",
        text,
        flags=re.MULTILINE,
    )


@pytest.mark.parametrize("name", sorted(set(FILES) - CHANGED - ADDED))
def test_a_file_is_as_it_was_published(name: str) -> None:
    assert (VENDOR / name).read_text("utf-8") == original(name)


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_a_changed_file_lost_lines_and_gained_few(name: str) -> None:
    published = original(name).splitlines()
    gained = [
        line for line in (VENDOR / name).read_text("utf-8").splitlines() if line not in published
    ]
    assert len(gained) <= 3, gained


def test_the_readme_lists_every_change() -> None:
    text = (VENDOR / "README.md").read_text("utf-8")
    for name, version in VERSIONS.items():
        assert f"| {name} | {version} |" in text
    for name in CHANGED | ADDED:
        assert Path(name).name in text


def test_every_licence_is_packed() -> None:
    with zipfile.ZipFile(io.BytesIO(engine.build().data)) as archive:
        names = archive.namelist()
    for licence in (
        "installer/LICENSE",
        "tuf/LICENSE",
        "tuf/LICENSE-MIT",
        "securesystemslib/LICENSE",
        "securesystemslib/_vendor/ed25519/LICENSE",
    ):
        assert f"toolkit/host/_vendor/{licence}" in names


@pytest.mark.parametrize("path", sorted(HOST.rglob("*.py")), ids=lambda path: path.name)
def test_python_3_10_reads_it(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 10))


def test_agentctl_verifies_without_the_package_cryptography(tmp_path: Path) -> None:
    signed = SignedStore(tmp_path / "store")
    signed.add("tiny-v1.0.0.tar.gz", b"data", release("1.0.0"))
    signed.publish()
    agentctl = tmp_path / "agentctl.pyz"
    agentctl.write_bytes(engine.build().data)
    (tmp_path / "home").mkdir()
    paths = [str(path) for path in (agentctl, tmp_path / "home", signed.folder)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", WITHOUT_CRYPTOGRAPHY, *paths],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["tiny-v1.0.0.tar.gz", "[]"]
