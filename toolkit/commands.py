"""The programs that a build runs, as values: what to run, not the running of it.

No registry is named: npm's, pip's and uv's own configuration decides where packages come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NPM_CPU = {"linux-x64": "x64", "linux-arm64": "arm64"}
MACHINE = {"linux-x64": "x86_64", "linux-arm64": "aarch64"}
# Ubuntu 22.04 has glibc 2.35 and Debian 12 has 2.36; wheels for a newer one would not load.
_NEWEST_GLIBC_MINOR = 35
_OLDEST_GLIBC_MINOR = {"x86_64": 5, "aarch64": 17}
_QUIET_NPM = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


@dataclass(frozen=True)
class Command:
    """A program to run: `why` finishes the sentence "could not ..." in errors."""

    argv: tuple[str, ...]
    why: str
    environment: Mapping[str, str] = field(default_factory=dict)


def npm_fetch() -> Command:
    """Install what package-lock.json says by the machine's own npm, in words that old ones know."""
    quiet = ("--no-audit", "--no-fund", "--loglevel", "error")
    return Command(("npm", "ci", "--ignore-scripts", *quiet), why="fetch npm and Node.js")


def npm_ci(npm: Sequence[str], platform: str, *, scripts: bool) -> Command:
    """Install exactly what package-lock.json says, for `platform`, into ./node_modules.

    `npm` is the argv that calls npm.
    """
    target = ("--os=linux", f"--cpu={NPM_CPU[platform]}", "--libc=glibc")
    return Command(
        (
            *(*npm, "ci", "--omit=dev", *target, *_QUIET_NPM),
            "--no-ignore-scripts" if scripts else "--ignore-scripts",
        ),
        why="install the npm packages of the lock file",
    )


def npm_sbom(npm: Sequence[str]) -> Command:
    """Say as CycloneDX which packages are in ./node_modules."""
    return Command(
        (*npm, "sbom", "--sbom-format=cyclonedx", "--omit=dev", "--loglevel=error"),
        why="list the npm packages",
    )


def npm_lock(npm: Sequence[str]) -> Command:
    """Write package-lock.json for ./package.json, and install nothing."""
    return Command(
        (
            *(*npm, "install", "--package-lock-only", "--ignore-scripts", *_QUIET_NPM),
            "--omit-lockfile-registry-resolved",
        ),
        why="lock the npm packages",
    )


def pip_download(
    python: str, requirements: Path, destination: Path, *, interpreter: str, platform: str
) -> Command:
    """Fetch a hash-locked list of wheels for the CPython `interpreter` (3.12) of `platform`."""
    tags = [f"--platform={tag}" for tag in manylinux_tags(platform)]
    abis = [f"--abi={abi}" for abi in (cpython_tag(interpreter), "abi3", "none")]
    return Command(
        (
            *(python, "-m", "pip", "download", "--quiet", "--no-input"),
            *("--disable-pip-version-check", "--no-deps", "--require-hashes"),
            *("--only-binary=:all:", "--implementation=cp"),
            *(f"--python-version={interpreter}", *abis, *tags),
            *("--dest", str(destination), "--requirement", str(requirements)),
        ),
        why=f"fetch the wheels for CPython {interpreter} on {platform}",
    )


def cpython_tag(interpreter: str) -> str:
    """Give the tag of a CPython: cp312 for 3.12."""
    return "cp" + interpreter.replace(".", "")


def manylinux_tags(platform: str) -> Sequence[str]:
    """Give every manylinux tag that the oldest supported host can load, newest first (PEP 600)."""
    machine = MACHINE[platform]
    minors = range(_NEWEST_GLIBC_MINOR, _OLDEST_GLIBC_MINOR[machine] - 1, -1)
    # pip adds the older names, manylinux2010 and manylinux1, to manylinux2014 by itself.
    return [*(f"manylinux_2_{minor}_{machine}" for minor in minors), f"manylinux2014_{machine}"]


@dataclass(frozen=True)
class Needs:
    """What is to be locked: files of requirements, with `extras` of those that are projects.

    `local` are names of packages that are built here, and so have no place in the lock;
    `overrides` is a file of what stands in the place of other packages' own requirements.
    """

    files: tuple[Path, ...]
    extras: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    overrides: Path | None = None


def uv_compile(
    python: str, needs: Needs, lock: Path, *, minimum: str, upgrade: bool = False
) -> Command:
    """Lock what is needed into `lock`, for every CPython from `minimum` on."""
    return Command(
        (
            *(python, "-m", "uv", "pip", "compile", "--universal", "--generate-hashes"),
            *("--python-version", minimum, "--no-header", "--no-annotate", "--quiet"),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *(f"--extra={extra}" for extra in needs.extras),
            *(f"--no-emit-package={name}" for name in needs.local),
            *([f"--overrides={needs.overrides}"] if needs.overrides else []),
            *(["--upgrade"] if upgrade else []),
            *("--output-file", str(lock), *map(str, needs.files)),
        ),
        why="lock the Python packages",
        # It asks this Python alone; uv would fetch another, which locking has no need of.
        environment={"UV_PYTHON_DOWNLOADS": "never"},
    )


def uv_build_wheel(
    python: str, source: Path, destination: Path, *, constraints: Path | None
) -> Command:
    """Build the wheel of the project in `source`; `constraints` lock what builds it, by hash."""
    locked = ["--build-constraints", str(constraints), "--require-hashes"] if constraints else []
    return Command(
        (
            *(python, "-m", "uv", "build", "--wheel", "--quiet", "--python", python, *locked),
            *("--out-dir", str(destination), str(source)),
        ),
        why="build the wheel of the source folder",
    )


def reproducible(epoch: int) -> Mapping[str, str]:
    """Give the variables that make well-behaved builders repeat themselves.

    `epoch` is in seconds since 1970: https://reproducible-builds.org/specs/source-date-epoch/
    """
    return {
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(epoch),
        "TZ": "UTC",
    }
