"""A controller that is a release itself: it makes its schema, and a newer one's will do."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import aiwm_controller
import pytest
from aiwm_controller import setup
from aiwm_controller.app import create
from aiwm_controller.errors import Conflict, SetupError
from aiwm_controller.install import Installer
from aiwm_controller.settings import Settings, from_environment
from fastapi.testclient import TestClient

from tests.support.aiwm import sqlite_settings
from tests.support.releases import TOP
from tests.support.signed_store import SignedStore
from toolkit.config import parse_agent

MIGRATIONS = Path(aiwm_controller.__file__).parent / "migrations" / "versions"


def answered(settings: Settings, path: str, token: str = "") -> int:
    with TestClient(create(settings)) as client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return client.get(path, headers=headers).status_code


def set_revision(folder: Path, revision: str) -> None:
    with sqlite3.connect(folder / "controller.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
    database.close()


def test_it_makes_what_it_needs_before_it_serves(tmp_path: Path) -> None:
    settings = replace(sqlite_settings(tmp_path), migrate=True)
    asyncio.run(setup.check(settings))
    assert answered(settings, "/health") == 200
    asyncio.run(setup.check(settings))  # and once more, as each start does
    made = asyncio.run(setup.init(settings, "owner@example.com", "One", None))
    assert answered(settings, "/agents", made["token"]) == 200


def test_without_the_setting_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there is no database"):
        asyncio.run(setup.check(sqlite_settings(tmp_path)))


def test_a_version_that_comes_back_works_with_a_newer_schema(tmp_path: Path, made: Path) -> None:
    shutil.copy(made, tmp_path)
    set_revision(tmp_path, "9000")
    settings = replace(sqlite_settings(tmp_path), migrate=True)
    asyncio.run(setup.check(settings))
    assert answered(settings, "/health") == 200


def test_a_version_refuses_an_older_schema(tmp_path: Path, made: Path) -> None:
    shutil.copy(made, tmp_path)
    set_revision(tmp_path, "0000")
    with pytest.raises(SetupError, match="has the schema 0000"):
        asyncio.run(setup.check(sqlite_settings(tmp_path)))


@pytest.mark.parametrize("file", sorted(MIGRATIONS.glob("0*.py")), ids=lambda file: file.stem)
def test_a_migration_only_adds(file: Path) -> None:
    text = file.read_text("utf-8")
    revision = re.search(r'^revision(?:: str)? = "([^"]+)"', text, re.MULTILINE)
    assert revision is not None
    assert re.fullmatch("[0-9]{4}", revision[1])  # check_schema compares them
    upgrade = text.partition("def upgrade")[2].partition("def downgrade")[0]
    assert upgrade
    assert re.findall(r"drop_\w+|alter_column|rename_table|\.execute\(", upgrade) == []


def test_health_stands_at_the_top_whatever_the_prefix(tmp_path: Path, made: Path) -> None:
    shutil.copy(made, tmp_path)
    settings = replace(sqlite_settings(tmp_path), path_prefix="/dev/aiwm")
    assert answered(settings, "/health") == 200
    assert answered(settings, "/dev/aiwm/health") == 200
    assert answered(settings, "/agents") == 404


def test_the_variable_is_read() -> None:
    assert not from_environment({}).migrate
    assert from_environment({"AIWM_MIGRATE": "true"}).migrate


def test_releases_that_come_with_toolkit_are_known_in_any_folder(tmp_path: Path) -> None:
    installer = Installer(tmp_path)
    assert installer._spec("xora-vercel-agent").service_name == "xora-agent"
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\ntitle = "Own"\nsource = "pypi:own==1"\n[runtime]\nkind = "python"\n'
        '[service]\nexec = ["{bin}/own"]\n',
        "utf-8",
    )
    assert installer._spec("own").release_version == "1"
    with pytest.raises(Conflict, match="no release nothing"):
        installer._spec("nothing")


_WITHOUT = """
import importlib.abc
import sys

class Refuses(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ImportError(name)

sys.meta_path.insert(0, Refuses())
import asyncio, importlib, pkgutil
import aiwm_controller
for module in pkgutil.walk_packages(aiwm_controller.__path__, "aiwm_controller."):
    if ".migrations" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from datetime import datetime, UTC
from pathlib import Path
from aiwm_controller.install import Installer, Order
order = Order("xora-cc-agent", "https://cdn", "stable", "https://c", "id", "me", datetime.now(UTC))
text = asyncio.run(Installer(Path({folder!r})).script(order))
assert text.startswith("#!/usr/bin/env bash")
print("well")
"""
# Names of modules that are not those of their packages.
_MODULES = {
    "ansible-core": "ansible",
    "cyclonedx-python-lib": "cyclonedx",
    "pytest-testinfra": "testinfra",
    "backports-zstd": "backports",
    "zlib-ng": "zlib_ng",
}


def test_the_controller_loads_nothing_that_its_release_leaves_out(tmp_path: Path) -> None:
    text = (TOP / "release" / "aiwm-controller.toml").read_text("utf-8")
    without = parse_agent(text, file="aiwm-controller.toml").build.without
    names = {_MODULES.get(name, name) for name in without}
    assert len(names) > 10
    signed = SignedStore(tmp_path / "store", agents=("xora-cc-agent",))
    (tmp_path / "root.json").write_bytes(signed.root_bytes())
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(names=names, folder=str(tmp_path))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "well\n", done.stderr
