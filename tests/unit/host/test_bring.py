"""A version arrives by the smallest file that serves; whatever is wrong with it, whole."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need_command
from tests.support.serve import StoreServer
from toolkit.artifact import Artifact
from toolkit.delta import Wanted, make_deltas
from toolkit.host import bring, decompress, delta, fetch
from toolkit.host.errors import BadRelease, DiskFull, DownloadFailed, HashMismatch
from toolkit.host.fetch import Source
from toolkit.host.files import remove_tree
from toolkit.host.forms import Form
from toolkit.host.layout import Layout
from toolkit.host.request import Request, Say
from toolkit.host.stage import stage
from toolkit.host.unpack import unpack
from toolkit.progress import Silent
from toolkit.record import parse_description
from toolkit.release import Settings, build
from toolkit.spec import AgentSpec

OLD, NEW = "1.0.0", "1.0.1"
GZ = f"agent-v{NEW}.tar.gz"
ZST = f"agent-v{NEW}.tar.zst"
DELTA = f"agent-v{NEW}.from-v{OLD}.tar.zst"


@dataclass
class World:
    """A host's folder, and a store with two versions and the delta between them."""

    layout: Layout
    server: StoreServer
    deltas: dict[str, Form]
    said: list[str] = field(default_factory=list)

    def request(self, version: str) -> Request:
        stem = f"agent-v{version}"
        text = (self.server.root / f"{stem}.release.json").read_text("utf-8")
        found = parse_description(text, file=stem)
        sources = {
            name: Source(f"{self.server.url}/{name}", digest.sha256, digest.size)
            for name, digest in found.files.items()
        }
        forms = (Form(sources[f"{stem}.tar.zst"], found.tar), *self.deltas.values())
        return Request(
            name="agent",
            service="agent",
            version=version,
            platform="linux-x64",
            source=sources[f"{stem}.tar.gz"],
            manager="direct",
            home=self.layout.home,
            user="nobody",
            engine=b"",
            forms=tuple(form for form in forms if stem in form.source.url),
        )

    def stage(self, version: str, **changed: Any) -> list[str]:
        """Stage a version; give the files that were asked for."""
        before = len(self.server.requests)
        request = replace(self.request(version), **changed)
        stage(request, self.layout, Say(self.said.append, lambda _, __: None))
        assert self.layout.staged_sha256(version) == request.source.sha256
        assert not self.layout.incoming.exists()
        files = [request.path.lstrip("/") for request in self.server.requests[before:]]
        return list(dict.fromkeys(files))

    def reason(self) -> str:
        [line] = [line for line in self.said if "can't be used" in line]
        assert "\n" not in line
        return line


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Form]]:
    project = tmp_path_factory.mktemp("project")
    out = project / "out"
    (project / "src").mkdir()
    (project / "src" / "ballast").write_bytes(random.Random(1).randbytes(300_000))
    for version in (OLD, NEW):
        (project / "src" / "run").write_text(f"#!/bin/sh\necho {version}\n")
        (project / "src" / "run").chmod(0o755)
        spec = AgentSpec.model_validate(
            {
                "name": "agent",
                "title": "An agent",
                "source": "src",
                "version": version,
                "runtime": {"kind": "none"},
                "service": {"exec": ["{current}/run"]},
            }
        )
        build(spec, "linux-x64", Settings(project, out), Silent())
    [made] = make_deltas(Wanted("agent", NEW), out, Silent())
    assert made.path
    assert made.path.name == Artifact("agent", NEW, None).delta(OLD) == DELTA
    found = made.delta
    form = Form(Source("", found.file.sha256, found.file.size), found.tar, found.base)
    return out, {DELTA: form}


@pytest.fixture
def world(
    tmp_path: Path, published: tuple[Path, dict[str, Form]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    need_command("zstd")
    monkeypatch.setattr(fetch, "PAUSES", (0.01,))
    dist, deltas = published
    layout = Layout(tmp_path / "home")
    layout.releases.mkdir(parents=True)
    with StoreServer(dist) as server:
        urls = {
            name: replace(form, source=replace(form.source, url=f"{server.url}/{name}"))
            for name, form in deltas.items()
        }
        yield World(layout, server, urls)
    remove_tree(layout.home)


def test_the_zstd_form_comes_before_gzip_and_is_the_same_version(world: World) -> None:
    assert world.stage(NEW) == [ZST]
    assert stage(world.request(NEW), world.layout, Say(print, print)) is False
    assert stage(replace(world.request(NEW), forms=()), world.layout, Say(print, print)) is False
    folder = world.layout.release(NEW)
    assert (folder / "run").read_text() == f"#!/bin/sh\necho {NEW}\n"
    assert not any("can't be used" in line for line in world.said)


def test_a_version_whose_description_is_damaged_is_fetched_anew_unless_it_runs(
    world: World,
) -> None:
    world.stage(NEW)
    text = world.layout.release(NEW) / "toolkit" / "release.json"
    whole = text.read_bytes()
    text.parent.chmod(0o755)
    text.chmod(0o644)
    text.write_bytes(b"{")
    world.layout.current.symlink_to(f"releases/{NEW}")
    assert stage(world.request(NEW), world.layout, Say(print, print)) is False
    world.layout.current.unlink()
    assert stage(world.request(NEW), world.layout, Say(print, print)) is True
    assert text.read_bytes() == whole
    assert stage(world.request(NEW), world.layout, Say(print, print)) is False


def test_a_delta_is_all_that_is_fetched_where_its_base_is_whole(world: World) -> None:
    by = world.stage(OLD, forms=())
    assert by == [f"agent-v{OLD}.tar.gz"]
    assert world.stage(NEW) == [DELTA]
    assert (world.layout.release(NEW) / "run").read_text() == f"#!/bin/sh\necho {NEW}\n"
    assert (world.layout.release(OLD) / "run").read_text() == f"#!/bin/sh\necho {OLD}\n"
    assert f"make {NEW} of the installed {OLD} and the delta" in world.said


def test_all_ways_give_the_same_files(world: World) -> None:
    def tree() -> dict[str, tuple[int, bytes]]:
        folder = world.layout.release(NEW)
        found = {
            str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
            for path in folder.rglob("*")
            if path.is_file()
        }
        remove_tree(folder)
        return found

    world.stage(OLD)
    ways: list[dict[str, tuple[int, bytes]]] = []
    for forms in ((), world.request(NEW).forms[:1], world.request(NEW).forms[1:]):
        world.stage(NEW, forms=forms)
        ways.append(tree())
    assert ways[0] == ways[1] == ways[2]


def test_a_base_that_is_not_whole_is_none(world: World) -> None:
    world.stage(OLD)
    world.layout.release(OLD).chmod(0o755)
    world.layout.marker(OLD).unlink()
    assert world.stage(NEW) == [ZST]
    assert not any("can't be used" in line for line in world.said)


def damage(world: World) -> None:
    file = world.layout.release(OLD) / "run"
    file.chmod(0o755)
    file.write_text(f"#!/bin/sh\necho {OLD[::-1]}\n")


def lose(world: World) -> None:
    world.layout.release(OLD).chmod(0o755)
    (world.layout.release(OLD) / "run").unlink()


def other_bytes(world: World) -> None:
    world.server.tamper(DELTA)


def not_there(world: World) -> None:
    world.server.fail(404, path_suffix=DELTA)


def unwell(world: World) -> None:
    world.server.fail(503, path_suffix=DELTA)


def cut_off(world: World) -> None:
    world.server.truncate(DELTA, after=10)


def other_base(world: World) -> None:
    form = world.deltas[DELTA]
    assert form.base
    tar = replace(form.base.tar, sha256="ab" * 32)
    world.deltas[DELTA] = replace(form, base=replace(form.base, tar=tar))


def other_epoch(world: World) -> None:
    form = world.deltas[DELTA]
    assert form.base
    world.deltas[DELTA] = replace(form, base=replace(form.base, epoch=1))


def other_tar(world: World) -> None:
    form = world.deltas[DELTA]
    world.deltas[DELTA] = replace(form, tar=replace(form.tar, sha256="ab" * 32))


def longer(world: World) -> None:
    form = world.deltas[DELTA]
    world.deltas[DELTA] = replace(form, source=replace(form.source, size=5))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (damage, "are not those of its release"),
        (lose, "No such file"),
        (other_bytes, "is not the file that was published"),
        (not_there, "404"),
        (unwell, "503"),
        (cut_off, "could not be fetched"),
        (other_base, "are not those of its release"),
        (other_epoch, "are not those of its release"),
        (other_tar, "did not make the new release's bytes"),
        (longer, "longer than the 5 bytes that were signed"),
    ],
)
def test_a_delta_that_fails_is_told_of_and_the_whole_release_comes(
    fault: Callable[[World], None], said: str, world: World
) -> None:
    world.stage(OLD)
    fault(world)
    assert world.stage(NEW) == [DELTA, ZST]
    assert said in world.reason()
    assert "the delta from 1.0.0 can't be used, the whole release is fetched" in world.reason()


def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "_available_memory", lambda: 10 << 20)


def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 100_000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)


@pytest.mark.parametrize(("lack", "said"), [(no_memory, "of memory"), (no_room, "of disk")])
def test_what_a_host_lacks_is_known_before_anything_is_fetched(
    lack: Callable[[pytest.MonkeyPatch], None],
    said: str,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.stage(OLD)
    lack(monkeypatch)
    assert world.stage(NEW) == [ZST]
    assert said in world.reason()


def test_without_zstd_it_is_gzip(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = lambda: None  # noqa: E731
    monkeypatch.setattr(decompress, "_program", nothing)
    monkeypatch.setattr(decompress, "_library", nothing)
    assert world.stage(OLD) == [f"agent-v{OLD}.tar.gz"]
    assert not world.said[0].endswith(".zst")
    assert world.stage(NEW) == [GZ]
    assert "no zstd" in world.reason()


def test_two_tars_that_fill_the_disk_are_a_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stage(OLD)
    real = unpack

    def full(tarball: Path, folder: Path, tar: Any) -> None:
        if tarball.suffix == ".tar":
            folder.mkdir()
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tarball, folder, tar)

    monkeypatch.setattr(bring, "unpack", full)
    assert world.stage(NEW) == [DELTA, ZST]
    assert "No space left" in world.reason()


def test_a_disk_that_is_full_for_the_delta_is_full(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stage(OLD)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bring, "download", full)
    with pytest.raises(DiskFull):
        world.stage(NEW)
    assert not world.layout.release(NEW).exists()


def test_a_zstd_file_that_fails_is_followed_by_gzip(world: World) -> None:
    faults: tuple[Callable[[], None], ...] = (
        lambda: world.server.tamper(ZST),
        lambda: world.server.fail(404, path_suffix=ZST),
    )
    for fault in faults:
        fault()
        assert world.stage(NEW) == [ZST, GZ]
        assert "the .tar.zst can't be used, the whole release is fetched" in world.reason()
        world.said.clear()
        world.server.heal()
        remove_tree(world.layout.release(NEW))


def test_a_zstd_file_of_another_tar_than_was_signed(world: World) -> None:
    [form, *_] = world.request(NEW).forms
    forms = (replace(form, tar=replace(form.tar, sha256="ab" * 32)),)
    assert world.stage(NEW, forms=forms) == [ZST, GZ]
    assert "holds another tar than the one that was signed" in world.reason()


def test_a_network_that_fails_is_not_the_file_s_fault(world: World) -> None:
    world.server.truncate(ZST, after=100_000)
    with pytest.raises(DownloadFailed):
        world.stage(NEW)
    assert not world.layout.release(NEW).exists()
    asked = len(world.server.requests)
    world.server.heal()
    assert world.stage(NEW) == [ZST]
    assert world.server.requests[asked].range == "bytes=200000-"


def test_when_all_forms_are_bad_the_last_one_is_the_error(world: World) -> None:
    world.stage(OLD)
    for name in (DELTA, ZST, GZ):
        world.server.tamper(name)
    with pytest.raises(HashMismatch, match=GZ):
        world.stage(NEW)
    assert not world.layout.release(NEW).exists()
    world.server.heal()
    assert world.stage(NEW) == [DELTA]


def test_what_a_killed_run_left_is_no_hindrance(world: World) -> None:
    world.stage(OLD)
    form = world.deltas[DELTA]
    world.layout.incoming.mkdir()
    for name in ("tar", "tar.part", "tar.base"):
        (world.layout.incoming / f"{form.tar.sha256}.{name}").write_bytes(b"half")
    (world.layout.incoming / f"{form.source.sha256}.delta").write_bytes(b"half")
    assert world.stage(NEW) == [DELTA]


def test_a_release_of_another_name_is_not_tried_in_each_form(world: World) -> None:
    world.stage(OLD)
    before = len(world.server.requests)
    with pytest.raises(Exception, match="the tarball holds agent"):
        world.stage(NEW, name="other")
    assert [each.path for each in world.server.requests[before:]] == [f"/{DELTA}"]


def test_a_gzip_that_is_no_tarball_is_told_as_ever(world: World, tmp_path: Path) -> None:
    broken = tmp_path / "x.tar.gz"
    broken.write_bytes(b"no tarball")
    source = Source(broken.as_uri(), fetch.sha256_of(broken))
    with pytest.raises(BadRelease):
        world.stage(NEW, source=source, forms=())
