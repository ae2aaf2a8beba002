"""Each command that signs, killed before each of its requests in turn: `test_signed_upload_killed`
has those that publish a version; here are all others.

What a host makes of the store is asked of the same two clients. The same command again finishes.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e.test_signed_upload_killed import (
    FEW_KILLS,
    MOST_REQUESTS,
    NEW,
    OLD,
    PROMOTE,
    UPLOADED,
    Bench,
    Case,
    Reader,
    View,
    publish_first,
)
from tests.e2e.test_upload import environment
from tests.e2e.test_upload_killed import copy_all, use
from tests.support.cutting_proxy import ALL, cutting_proxy
from tests.support.forked import PASSPHRASE, PASSPHRASE_FD, forked_toolkit
from tests.support.gateway import gateway

pytestmark = pytest.mark.store

PROMOTED = "promoted"
ASKED = ("--passphrase-fd", str(PASSPHRASE_FD))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A project that has released 1.0.0 to stable, then uploaded 1.1.0, and then promoted it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "passphrase").write_text("correct horse\n")
    with gateway() as running, cutting_proxy(running.url) as proxy:
        variables = environment({**running.environment, PASSPHRASE: str(folder / "passphrase")})
        with forked_toolkit(variables, folder / "log") as toolkit:
            bench = Bench(running, proxy, toolkit, folder)
            publish_first(bench, variables)
            copy_all(running, UPLOADED, PROMOTED)
            bench.use(PROMOTED)
            bench.must(*PROMOTE, "1.1.0")
            shutil.copytree(folder / "keys", folder / "keys-before")
            yield bench


def restore_keys(bench: Bench) -> None:
    """Give the project the keys and the root that it had at first."""
    shutil.rmtree(bench.folder / "keys")
    shutil.copytree(bench.folder / "keys-before", bench.folder / "keys")


def kill_before_each_request(bench: Bench, case: Case, hosts: Path) -> tuple[int, int]:
    """Return after how many kills a host saw the old repository, and after how many the new."""
    before = Reader(bench, hosts / "before")
    assert before.see(case.start) == case.old
    views: list[View] = []
    for kill_at in range(1, MOST_REQUESTS):
        prefix = f"{hosts.name}-{kill_at}"
        copy_all(bench.gateway, case.start, prefix)
        bench.use(prefix)
        restore_keys(bench)
        code = bench.run(*case.words, kill_at=kill_at)
        if code == 0:
            assert Reader(bench, hosts / "last").see(prefix) == case.new
            restore_keys(bench)
            return views.count(case.old), views.count(case.new)
        assert code == -9, bench.log()
        stranger = Reader(bench, hosts / f"{kill_at}-stranger")
        regular = Reader(bench, hosts / f"{kill_at}-regular", before)
        views.append(stranger.see(prefix))
        assert views[-1] in (case.old, case.new), f"half of it after a kill at {kill_at}"
        assert regular.see(prefix) == views[-1]
        bench.must(*case.words)
        latecomer = Reader(bench, hosts / f"{kill_at}-latecomer", before)
        for reader in (stranger, regular, latecomer):
            assert reader.see(prefix) == case.new, f"after a kill at {kill_at}"
    raise AssertionError("it never came to its end")


def test_a_rollback_that_is_killed(bench: Bench, tmp_path: Path) -> None:
    words = ("rollback", "beacon", "--channel", "stable", "--from", "1.1.0")
    old = {**bench.view(OLD), **bench.view(NEW, "stable")}
    new = {**bench.view(OLD, "stable"), **bench.view(NEW)}
    saw_old, saw_new = kill_before_each_request(bench, Case(words, PROMOTED, old, new), tmp_path)
    assert saw_old >= FEW_KILLS
    assert saw_new > 0


def test_a_yank_that_is_killed(bench: Bench, tmp_path: Path) -> None:
    words = ("yank", "beacon", "1.1.0", "--reason", "eats data")
    old = {**bench.view(OLD), **bench.view(NEW, "stable")}
    new = {**bench.view(OLD, "stable"), **bench.view(NEW)}
    saw_old, saw_new = kill_before_each_request(bench, Case(words, PROMOTED, old, new), tmp_path)
    assert saw_old >= FEW_KILLS
    assert saw_new > 0


def test_a_pruning_that_is_killed(bench: Bench, tmp_path: Path) -> None:
    old = {**bench.view(OLD, "stable"), **bench.view(NEW)}
    new = bench.view(OLD, "stable")
    words = ("prune", "beacon", "--keep", "0")
    saw_old, saw_new = kill_before_each_request(bench, Case(words, UPLOADED, old, new), tmp_path)
    assert saw_old >= FEW_KILLS
    # The files of the version go one by one, when nothing names them any more.
    assert saw_new >= (4 if ALL else 3)


@pytest.mark.parametrize("roles", [("timestamp",), ("beacon", "snapshot", "root", "targets")])
def test_a_refresh_that_is_killed(roles: Sequence[str], bench: Bench, tmp_path: Path) -> None:
    view = {**bench.view(OLD, "stable"), **bench.view(NEW)}
    case = Case(("refresh", *roles, *ASKED), UPLOADED, view, view)
    assert sum(kill_before_each_request(bench, case, tmp_path)) >= FEW_KILLS


def test_a_rotation_of_root_that_is_killed(bench: Bench, tmp_path: Path) -> None:
    """Hosts with any root follow, whatever was there when it was cut off."""
    view = {**bench.view(OLD, "stable"), **bench.view(NEW)}
    case = Case(("keys", "rotate", "root", *ASKED), UPLOADED, view, view)
    assert sum(kill_before_each_request(bench, case, tmp_path)) >= FEW_KILLS


def test_a_publication_of_a_proposal_that_is_killed(bench: Bench, tmp_path: Path) -> None:
    file = str(tmp_path / "change.json")
    bench.use(UPLOADED)
    bench.must("keys", "rotate", "timestamp", "targets", "--propose", file, *ASKED)
    shutil.rmtree(bench.folder / "keys-before")
    shutil.copytree(bench.folder / "keys", bench.folder / "keys-before")
    view = {**bench.view(OLD, "stable"), **bench.view(NEW)}
    case = Case(("keys", "publish", file), UPLOADED, view, view)
    assert sum(kill_before_each_request(bench, case, tmp_path)) >= FEW_KILLS


def test_a_first_ceremony_that_is_killed_goes_on_with_its_keys(
    bench: Bench, tmp_path: Path
) -> None:
    words = ("keys", "init", "--agent", "beacon", *ASKED)
    try:
        for kill_at in range(1, MOST_REQUESTS):
            use(bench.folder, bench.proxy.url, f"init-{kill_at}")
            shutil.rmtree(bench.folder / "keys")
            code = bench.run(*words, kill_at=kill_at)
            if code == 0:
                break
            assert code == -9, bench.log()
            made = keys_of(bench)
            bench.must(*words)
            assert made.items() <= keys_of(bench).items()
            bench.must("history", "beacon")
            bench.must("upload", "beacon", "1.0.0")
            bench.must(*PROMOTE, "1.0.0")
            seen = Reader(bench, tmp_path / str(kill_at)).see(f"init-{kill_at}")
            assert seen == bench.view(OLD, "stable")
        assert code == 0
        assert kill_at >= FEW_KILLS
    finally:
        restore_keys(bench)


def keys_of(bench: Bench) -> Mapping[str, bytes]:
    folder = bench.folder / "keys"
    files = folder.iterdir() if folder.exists() else ()
    return {path.name: path.read_bytes() for path in files}
