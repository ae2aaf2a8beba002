"""The two example agents, built for real: the same bytes twice, and fit for their hosts."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from tests.support.need import need
from tests.support.other_user import way_to_run
from toolkit.commands import MACHINE, manylinux_tags
from toolkit.host import pythonenv
from toolkit.host.layout import this_platform
from toolkit.host.manifest import parse_manifest
from toolkit.host.release import PYTHONS, parse_release

pytestmark = pytest.mark.network

TOP = Path(__file__).parent.parent.parent
HERE = this_platform()
OTHER = next(platform for platform in MACHINE if platform != HERE)
VERSIONS = {"glances": "4.5.8", "verdaccio": "6.10.4"}


@dataclass(frozen=True)
class Place:
    """A project folder of its own, with the settings of one who builds there."""

    folder: Path
    environment: dict[str, str]
    umask: int
    before: tuple[str, ...] = ()

    def build(
        self, name: str, *arguments: str, cached: bool = False
    ) -> dict[str, dict[str, object]]:
        """Run `toolkit release`, all anew unless `cached`; gives its rows by platform."""
        words = [name, *arguments, "--project", str(self.folder), "--json"]
        words += [] if cached else ["--no-cache"]
        done = subprocess.run(
            [*self.before, sys.executable, "-m", "toolkit", "release", *words],
            cwd=self.folder.parent,
            env=self.environment,
            umask=self.umask,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {row["platform"]: row for row in json.loads(done.stdout)}

    @property
    def dist(self) -> Path:
        return self.folder / "release" / "dist"


def project_in(folder: Path) -> Path:
    """Give a project that has its own copy of the examples and their locks."""
    for name in VERSIONS:
        target = folder / "release" / f"{name}.toml"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TOP / "release" / f"{name}.toml", target)
    shutil.copytree(TOP / "release" / "locks", folder / "release" / "locks")
    return folder


@pytest.fixture(scope="module")
def one() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="toolkit-test-") as name:
        folder = project_in(Path(name) / "one")
        yield Place(folder, {**os.environ, "PYTHONPATH": str(TOP), "TZ": "UTC"}, 0o022)


@pytest.fixture(scope="module")
def two() -> Iterator[Place]:
    """Another folder, user, home, cache, umask, time zone and language."""
    with tempfile.TemporaryDirectory(prefix="another place ") as name:
        top = Path(name)
        folder = project_in(top / "deeper" / "two")
        for sub in (*top.rglob("*"), top):
            sub.chmod(0o777 if sub.is_dir() else 0o666)
        environment = {
            **os.environ,
            "PYTHONPATH": str(TOP),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(top / "home"),
            "XDG_CACHE_HOME": str(top / "home" / "cache"),
            "TMPDIR": str(top / "tmp"),
            "npm_config_cache": str(top / "home" / "npm"),
            "PIP_CACHE_DIR": str(top / "home" / "pip"),
            "TZ": "Asia/Tokyo",
            "LANG": "tr_TR.UTF-8",
        }
        for key in ("HOME", "TMPDIR"):
            Path(environment[key]).mkdir()
            Path(environment[key]).chmod(0o777)
        probe = [sys.executable, "-m", "toolkit", "--version"]
        before = way_to_run(probe, environment, top)
        need(bool(before), "another user must be able to read this checkout and its interpreter")
        yield Place(folder, environment, 0o077, before)


@pytest.fixture(scope="module")
def built(one: Place) -> dict[str, dict[str, dict[str, object]]]:
    """Both agents for both platforms, in the first place."""
    return {name: one.build(name) for name in VERSIONS}


@pytest.fixture(scope="module", params=VERSIONS)
def unpacked(
    request: pytest.FixtureRequest,
    one: Place,
    built: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tarball for this platform, unpacked by GNU tar."""
    del built
    folder = tmp_path_factory.mktemp(request.param)
    tarball = one.dist / f"{request.param}-latest-{HERE}.tar.gz"
    done = subprocess.run(
        ["tar", "-xzf", tarball, "-C", folder, "--no-same-owner"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return folder


@pytest.mark.parametrize("name", VERSIONS)
def test_two_builds_give_the_same_bytes(
    name: str, built: dict[str, dict[str, dict[str, object]]], one: Place, two: Place
) -> None:
    again = two.build(name, "--platform", HERE)
    for key in ("sha256", "tar", "zstd"):
        assert again[HERE][key] == built[name][HERE][key]
    packages = f"{name}-v{VERSIONS[name]}-{HERE}.cdx.json"
    assert (two.dist / packages).read_bytes() == (one.dist / packages).read_bytes()


@pytest.mark.parametrize("name", VERSIONS)
def test_the_list_of_packages_is_cyclonedx_and_names_no_place(
    name: str, one: Place, built: object
) -> None:
    del built
    text = (one.dist / f"{name}-v{VERSIONS[name]}-{HERE}.cdx.json").read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert len(json.loads(text)["components"]) > 30
    addresses = set(re.findall(r'[a-z+]+://[^"]*', text))
    assert addresses == {"http://cyclonedx.org/schema/bom-1.6.schema.json"}
    assert str(one.folder) not in text
    assert str(Path.home()) + "/" not in text


@pytest.mark.parametrize("name", VERSIONS)
def test_a_second_build_makes_nothing_again(name: str, one: Place, tmp_path: Path) -> None:
    first = one.build(name, "--out", str(tmp_path), cached=True)
    made = stamps(tmp_path)
    second = one.build(name, "--out", str(tmp_path), cached=True)
    assert all(row["reused"] for row in second.values())
    assert [row["sha256"] for row in second.values()] == [row["sha256"] for row in first.values()]
    assert stamps(tmp_path) == made


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Give which file stands under each tarball's name, and when it was written."""
    found = {file.name: file.stat() for file in folder.glob("*.tar.*") if not file.is_symlink()}
    assert found
    return {name: (each.st_ino, each.st_mtime_ns) for name, each in found.items()}


@pytest.mark.parametrize("name", VERSIONS)
def test_zstd_is_at_most_four_fifths(
    name: str, built: dict[str, dict[str, dict[str, Any]]]
) -> None:
    row = built[name][HERE]
    assert row["zstd"]["size"] <= 0.8 * row["size"]


@pytest.mark.parametrize("name", VERSIONS)
def test_files_are_named_and_summed(name: str, one: Place, built: object) -> None:
    del built
    stems = [
        f"{name}-{version}-{platform}.tar.gz"
        for version in (f"v{VERSIONS[name]}", "latest")
        for platform in MACHINE
    ]
    stems += [f"{name}-v{VERSIONS[name]}-{platform}.tar.zst" for platform in MACHINE]
    there = {file.name for file in one.dist.iterdir() if file.name.startswith(name)}
    told = {
        f"{name}-v{VERSIONS[name]}-{platform}.{end}"
        for end in ("cdx.json", "intoto.json", "release.json")
        for platform in MACHINE
    }
    assert there == {*stems, *(f"{stem}.sha256" for stem in stems), *told}
    done = subprocess.run(
        ["sha256sum", "-c", *(f"{stem}.sha256" for stem in stems)],
        cwd=one.dist,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"{stem}: OK" for stem in stems]


def test_the_manifest_lists_exactly_what_is_there(unpacked: Path) -> None:
    manifest = unpacked / "manifest.json"
    listed = parse_manifest(manifest.read_text("utf-8"))
    found = {
        path.relative_to(unpacked).as_posix()
        for path in unpacked.rglob("*")
        if path != manifest and (path.is_symlink() or not path.is_dir())
    }
    assert {file.path for file in listed} == found
    for file in listed:
        path = unpacked / file.path
        if file.link:
            assert str(path.readlink()) == file.link
            assert path.resolve().is_relative_to(unpacked.resolve())
            continue
        status = path.stat()
        assert (status.st_size, stat.S_IMODE(status.st_mode)) == (file.size, file.mode), file.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256, file.path


def test_nothing_of_the_builder_is_inside(unpacked: Path, one: Place, two: Place) -> None:
    """No path of the build, no npm notes, and nothing that is made again at each run."""
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    assert not [
        name for name in names if name.endswith((".pyc", "node_modules/.package-lock.json"))
    ]
    own = [path for path in unpacked.glob("toolkit/**/*") if path.is_file()]
    own += [path for path in unpacked.glob("*.json") if path.is_file()]
    for path in own:
        text = path.read_text("utf-8")
        assert str(one.folder) not in text
        assert str(Path.home()) + "/" not in text


def test_the_other_platform_gets_its_own_node(one: Place, built: object) -> None:
    del built
    machines = {"linux-x64": 0x3E, "linux-arm64": 0xB7}
    for platform, machine in machines.items():
        head = subprocess.run(
            ["tar", "-xzOf", f"verdaccio-latest-{platform}.tar.gz", "runtime/node/bin/node"],
            cwd=one.dist,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout[:20]
        assert head[:4] == b"\x7fELF"
        assert int.from_bytes(head[18:20], "little") == machine


@pytest.mark.parametrize("platform", MACHINE)
@pytest.mark.parametrize("version", PYTHONS)
def test_each_list_names_wheels_that_its_python_takes(
    version: str, platform: str, one: Place, built: object
) -> None:
    del built
    tarball = one.dist / f"glances-latest-{platform}.tar.gz"
    text = subprocess.check_output(["tar", "-xzOf", tarball, f"wheels/py{version}.txt"], text=True)
    packed = set(subprocess.check_output(["tar", "-tzf", tarball], text=True).splitlines())
    names = text.splitlines()
    assert names == sorted(names)
    assert {f"wheels/{name}" for name in names} <= packed
    number = [int(part) for part in version.split(".")]
    platforms = [*manylinux_tags(platform), f"manylinux2010_{MACHINE[platform]}"]
    taken = {
        *cpython_tags(number, platforms=platforms),
        *compatible_tags(number, platforms=platforms),
    }
    for name in names:
        assert parse_wheel_filename(name)[3] & taken, name


@pytest.mark.parametrize("version", PYTHONS)
def test_glances_starts_on_each_python(
    version: str,
    one: Place,
    built: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del built
    python = find_python(version)
    need(python is not None, f"CPython {version} is missing")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / f"python{version}").symlink_to(str(python))
    monkeypatch.setattr(pythonenv, "SYSTEM_PATH", str(programs))
    tarball = one.dist / f"glances-latest-{HERE}.tar.gz"
    subprocess.run(["tar", "-xzf", tarball, "-C", tmp_path], check=True)
    release = parse_release((tmp_path / "toolkit" / "release.json").read_text("utf-8"))
    pythonenv.build_environment(release, tmp_path)
    said = subprocess.check_output(
        [tmp_path / "venv" / "bin" / "glances", "--version"],
        text=True,
        env={"HOME": str(tmp_path), "PATH": os.defpath},
    )
    assert VERSIONS["glances"] in said.splitlines()[0]


def find_python(version: str) -> str | None:
    """Find a CPython that runs; shims of version managers may not."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        shutil.which(f"python{version}"),
        *map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}"))),
        *map(str, sorted(TOP.glob(f".venv/python/cpython-{version}.*/bin/python{version}"))),
    ]
    for candidate in filter(None, candidates):
        command = [candidate, "-I", "-c", "import venv, sys; print(sys.version_info[:2])"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            return candidate
    return None
