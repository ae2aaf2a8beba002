"""What is run, word for word."""

from pathlib import Path

import pytest

from toolkit import commands

NPM = ("npm",)
NEEDS = commands.Needs((Path("in"),))


def test_npm_ci_installs_for_another_platform_from_the_lock() -> None:
    assert commands.npm_ci(NPM, "linux-arm64", scripts=False).argv == (
        *("npm", "ci", "--omit=dev", "--os=linux", "--cpu=arm64", "--libc=glibc"),
        *("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
        "--ignore-scripts",
    )


def test_npm_scripts_run_only_where_the_agent_allows_it() -> None:
    assert "--ignore-scripts" not in commands.npm_ci(NPM, "linux-x64", scripts=True).argv


def test_npm_lock_installs_nothing_and_writes_no_address() -> None:
    argv = commands.npm_lock(NPM).argv
    assert argv[:4] == ("npm", "install", "--package-lock-only", "--ignore-scripts")
    assert "--omit-lockfile-registry-resolved" in argv


def test_pip_takes_wheels_by_hash_for_another_interpreter() -> None:
    argv = commands.pip_download(
        "/py", Path("r.txt"), Path("out"), interpreter="3.12", platform="linux-arm64"
    ).argv
    assert argv[:4] == ("/py", "-m", "pip", "download")
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} < set(argv)
    assert {"--python-version=3.12", "--implementation=cp"} < set(argv)
    assert [word for word in argv if word.startswith("--abi")] == [
        "--abi=cp312",
        "--abi=abi3",
        "--abi=none",
    ]
    assert argv[-4:] == ("--dest", "out", "--requirement", "r.txt")


@pytest.mark.parametrize(
    ("platform", "oldest"),
    [("linux-x64", "manylinux_2_5_x86_64"), ("linux-arm64", "manylinux_2_17_aarch64")],
)
def test_wheels_fit_the_oldest_supported_host(platform: str, oldest: str) -> None:
    machine = commands.MACHINE[platform]
    tags = commands.manylinux_tags(platform)
    assert tags[0] == f"manylinux_2_35_{machine}"
    assert oldest in tags
    assert f"manylinux2014_{machine}" in tags
    assert f"manylinux_2_36_{machine}" not in tags


def test_uv_locks_without_addresses_and_paths() -> None:
    argv = commands.uv_compile("/py", NEEDS, Path("lock"), minimum="3.10").argv
    assert argv[:5] == ("/py", "-m", "uv", "pip", "compile")
    assert {
        *("--universal", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links"),
    } < set(argv)
    assert argv[-3:] == ("--output-file", "lock", "in")
    assert "--upgrade" not in argv


def test_uv_takes_extras_and_leaves_out_what_is_built_here() -> None:
    needs = commands.Needs((Path("a"), Path("b")), ("web",), ("helper",), Path("over"))
    argv = commands.uv_compile("/py", needs, Path("lock"), minimum="3.10").argv
    assert {"--extra=web", "--no-emit-package=helper", "--overrides=over"} < set(argv)
    assert argv[-3:] == ("lock", "a", "b")


def test_uv_upgrades_when_asked() -> None:
    command = commands.uv_compile("/py", NEEDS, Path("lock"), minimum="3.10", upgrade=True)
    assert "--upgrade" in command.argv


def test_wheel_is_built_by_what_the_lock_says() -> None:
    free = commands.uv_build_wheel("/py", Path("src"), Path("out"), constraints=None)
    locked = commands.uv_build_wheel("/py", Path("src"), Path("out"), constraints=Path("c"))
    assert "--require-hashes" not in free.argv
    assert locked.argv[8:11] == ("--build-constraints", "c", "--require-hashes")


def test_no_command_names_a_registry() -> None:
    made = [
        commands.npm_ci(NPM, "linux-x64", scripts=False),
        commands.npm_lock(NPM),
        commands.pip_download(
            "/py", Path("r"), Path("o"), interpreter="3.10", platform="linux-x64"
        ),
        commands.uv_compile("/py", NEEDS, Path("lock"), minimum="3.10"),
    ]
    assert not [word for command in made for word in command.argv if "://" in word]


def test_builders_are_told_one_time_one_zone_one_language() -> None:
    assert commands.reproducible(42) == {
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "42",
        "TZ": "UTC",
    }
