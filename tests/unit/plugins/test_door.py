"""The door to agentctl, on this machine itself: what is ordered, foreseen, done and answered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.agentctl import arguments, carry_out, home_of, standard_input, understood
from tests.support.foreseen import change
from tests.support.local_agent import build_local, ended, install_order, publish_local
from tests.support.releases import Released
from tests.support.serve import StoreServer
from toolkit.host.release import default_home
from toolkit.resources import door

HEADER = "Authorization: Bearer let-me-in"


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return build_local(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return build_local(tmp_path_factory.mktemp("newer"), "1.1.0")


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return build_local(tmp_path_factory.mktemp("broken"), "1.2.0", broken=True)


@pytest.fixture
def store(tmp_path: Path, older: Released, newer: Released, broken: Released) -> str:
    publish_local(tmp_path / "store", older, newer, broken)
    return str(tmp_path / "store")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with ended(tmp_path / "home", carry_out) as folder:
        yield folder


def foreseen_and_done(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order, and hold what was foreseen against what then changed."""
    foreseen = carry_out({**order, "check": True})
    done = carry_out(order)
    assert done["ok"], done
    assert change(foreseen) == change(done)
    return done


def test_a_life_as_it_was_foreseen(
    store: str, older: Released, newer: Released, home: Path
) -> None:
    order = install_order(store, older, home)
    fresh = foreseen_and_done(order)
    assert fresh["before"] is None
    assert fresh["after"]["version"] == "1.0.0"
    assert fresh["steps"] == ["agentctl", "stage", "settings", "switch", "configure", "start"]

    again = foreseen_and_done(order)
    assert (again["changed"], again["steps"]) == (False, [])
    assert again["diff"]["before"] == again["diff"]["after"]

    other = foreseen_and_done({**order, "settings": {"LOCAL_SECRET": "second", "LEVEL": 3}})
    assert other["steps"] == ["settings", "start"]
    assert "second" not in json.dumps(other)
    assert other["after"]["settings"] == {
        "LEVEL": "(set)",
        "LOCAL_SECRET": "(set to another value)",
    }

    ask = {"schema": 1, "name": "local", "home": str(home)}
    turned = foreseen_and_done({**ask, "verb": "configure", "settings": {"LEVEL": "4"}})
    assert turned["steps"] == ["settings", "start"]
    assert foreseen_and_done({**ask, "verb": "configure"})["changed"] is False

    upgraded = foreseen_and_done(install_order(store, newer, home, settings={}))
    assert (upgraded["before"]["version"], upgraded["after"]["version"]) == ("1.0.0", "1.1.0")

    told = carry_out({**ask, "verb": "status"})
    assert (told["ok"], told["data"]["version"]) == (True, "1.1.0")

    back = foreseen_and_done({**ask, "verb": "rollback"})
    assert back["after"]["version"] == "1.0.0"

    gone = {**ask, "verb": "uninstall"}
    kept = foreseen_and_done({**gone, "keep_data": True})
    assert (kept["after"], kept["changed"]) == (None, True)
    assert foreseen_and_done({**gone, "keep_data": True})["changed"] is False
    assert foreseen_and_done(order)["after"]["version"] == "1.0.0"
    assert foreseen_and_done(gone)["changed"] is True
    assert foreseen_and_done(gone)["changed"] is False
    assert not home.exists()


def test_another_agentctl_and_another_store_are_changes(
    store: str, older: Released, home: Path, tmp_path: Path
) -> None:
    order = install_order(store, older, home)
    assert carry_out(order)["ok"]
    (home / "agentctl").write_bytes((home / "agentctl").read_bytes() + b"older")
    assert foreseen_and_done(order)["steps"] == ["agentctl"]
    moved = tmp_path / "moved"
    Path(store).rename(moved)
    assert foreseen_and_done(install_order(str(moved), older, home))["steps"] == ["record"]


def test_a_version_that_fails_is_taken_back(
    store: str, older: Released, broken: Released, home: Path
) -> None:
    assert carry_out(install_order(store, older, home))["ok"]
    answer = carry_out(install_order(store, broken, home, watch=0.2))
    assert (answer["ok"], answer["code"], answer["reverted"]) == (False, 31, True)
    assert "1.2.0 did not stay" in answer["message"]
    assert "1.0.0 runs again" in answer["why"]
    assert answer["after"]["version"] == "1.0.0"
    again = carry_out(install_order(store, broken, home, check=True))
    assert (again["code"], "failed on this host before" in again["message"]) == (32, True)


def test_a_missing_setting_is_said(store: str, older: Released, home: Path) -> None:
    answer = carry_out(install_order(store, older, home, settings={}))
    assert (answer["code"], "LOCAL_SECRET" in answer["message"]) == (24, True)
    assert answer["hint"]


@pytest.mark.parametrize("over_http", [False, True])
def test_a_private_store_gets_its_header(
    tmp_path: Path, store: str, older: Released, home: Path, over_http: bool
) -> None:
    with StoreServer(Path(store)) as server:
        name, _, value = HEADER.partition(": ")
        server.wanted_header = (name, value)
        plain = install_order(server.url, older, home)
        assert carry_out(plain)["code"] == 20
        order = {**plain, "store_header": HEADER, "store_header_over_http": over_http}
        assert foreseen_and_done(order)["changed"]
        assert (home / "store-header").stat().st_mode & 0o777 == 0o600
        assert foreseen_and_done(order)["changed"] is False
        turned = {**order, "store_header": HEADER + "2"}
        assert carry_out({**turned, "check": True})["steps"] == ["record"]
    assert HEADER not in (home / "state.json").read_text("utf-8")


def test_a_header_never_goes_over_a_network_in_the_clear(older: Released, home: Path) -> None:
    order = install_order("http://store.invalid/agents", older, home, store_header=HEADER)
    answer = carry_out(order)
    assert (answer["code"], "is not https" in answer["message"]) == (11, True)


def test_other_bytes_than_ordered_are_not_run(store: str, older: Released, home: Path) -> None:
    order = install_order(store, older, home)
    order["agentctl"]["sha256"] = "0" * 64
    assert carry_out(order)["code"] == 21
    assert not home.exists()


def test_the_bytes_may_come_with_the_order_or_from_a_file(
    store: str, older: Released, home: Path
) -> None:
    order = install_order(store, older, home, check=True)
    (file,) = Path(store).glob("agentctl-*")
    moved = file.rename(file.with_name("elsewhere"))
    assert carry_out(order)["code"] == 20
    order["agentctl"]["path"] = str(moved)
    assert carry_out(order)["ok"]


@pytest.mark.parametrize(
    ("verb", "code", "said"),
    [
        ("status", 4, "nothing is installed"),
        ("rollback", 4, "nothing is installed"),
        ("logs", 4, "nothing is installed"),
        ("uninstall", 0, ""),
    ],
)
def test_where_nothing_is_installed(tmp_path: Path, verb: str, code: int, said: str) -> None:
    order = {"schema": 1, "verb": verb, "name": "local", "home": str(tmp_path / "none")}
    answer = carry_out(order)
    assert (answer["code"], answer["changed"]) == (code, False)
    assert said in answer["message"]


def test_an_order_of_another_format_is_refused() -> None:
    assert "format 9" in carry_out({"schema": 9, "verb": "status", "name": "local"})["message"]


@pytest.mark.parametrize("value", [True, None, ["a"], "a\0b"])
def test_values_that_no_variable_can_hold(older: Released, home: Path, value: object) -> None:
    order = install_order("/nowhere", older, home, settings={"LEVEL": value})
    assert carry_out(order)["code"] == 2


def test_no_secret_is_among_the_arguments(older: Released, home: Path) -> None:
    order = install_order("https://store.example.com", older, home, store_header=HEADER)
    words = " ".join(arguments(order, home, "/tmp/root.json"))
    assert "first-secret" not in words
    assert "let-me-in" not in words
    assert standard_input(order) == f"{HEADER}\0LOCAL_SECRET=first-secret\0".encode()


def test_the_folder_is_the_one_that_agentctl_takes_by_itself() -> None:
    assert str(home_of({"name": "local"})) == default_home("local")
    assert str(home_of({"name": "local", "service": "other"})) == default_home("other")


def test_words_of_each_verb() -> None:
    order = {"verb": "upgrade", "name": "local", "channel": "beta", "watch": 5, "again": True}
    words = arguments(order, Path("/opt/local"), "")
    assert words == [
        *("upgrade", "--home", "/opt/local", "--json", "--channel", "beta"),
        *("--watch", "5", "--again"),
    ]
    order = {"verb": "logs", "name": "local", "arguments": ["-n", 5]}
    assert arguments(order, Path("/opt/local"), "") == ["logs", "--home", "/opt/local", "-n", "5"]


def test_what_is_no_json_is_told_all_the_same() -> None:
    answer = understood("install", 10, "", "error: agentctl needs Python 3.10 or newer, not 3.8\n")
    assert answer["message"] == "agentctl needs Python 3.10 or newer, not 3.8"
    answer = understood("install", 1, "", "Traceback (most recent call last):\nValueError: x\n")
    assert (answer["message"], "Traceback" in answer["why"]) == ("ValueError: x", True)


def test_it_runs_as_a_text_alone(tmp_path: Path) -> None:
    order = json.dumps({"schema": 1, "verb": "status", "name": "x", "home": str(tmp_path / "no")})
    argv = [sys.executable, "-I", "-c", door()]
    done = subprocess.run(argv, input=order, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["code"] == 4
