"""Reading a hash-locked requirements file for one interpreter on one platform."""

import pytest

from toolkit.errors import BuildError
from toolkit.requirements import parse_lock, requirements_text, select

LOCK = """\
# Made by `toolkit lock agent`.
six==1.17.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
# via something
starlette==1.7.0 ; python_full_version < '3.11' \\
    --hash=sha256:cc
starlette==1.10.0 ; python_full_version >= '3.11' \\
    --hash=sha256:dd
windows-curses==2.4.2 ; sys_platform == 'win32' \\
    --hash=sha256:ee
uvloop==0.22.0 ; platform_machine == 'x86_64' and implementation_name == 'cpython' \\
    --hash=sha256:ff
Async_Timeout==5.0.1 ; python_full_version < '3.11.3' \\
    --hash=sha256:99
"""


def picked(interpreter: str, platform: str) -> dict[str, str]:
    pins = select(parse_lock(LOCK, file="lock"), interpreter, platform)
    return {pin.name: pin.version for pin in pins}


def test_each_interpreter_gets_its_own_versions() -> None:
    assert picked("3.10", "linux-x64")["starlette"] == "1.7.0"
    assert picked("3.12", "linux-x64")["starlette"] == "1.10.0"


def test_markers_are_those_of_the_target_and_not_of_this_machine() -> None:
    assert set(picked("3.12", "linux-arm64")) == {"six", "starlette"}
    assert set(picked("3.12", "linux-x64")) == {"six", "starlette", "uvloop"}


def test_what_some_patch_release_needs_is_there_for_all_of_them() -> None:
    assert "async-timeout" in picked("3.11", "linux-x64")
    assert "async-timeout" not in picked("3.12", "linux-x64")


def test_lines_for_pip_have_hashes_and_no_marker() -> None:
    pins = select(parse_lock(LOCK, file="lock"), "3.10", "linux-arm64")
    assert requirements_text(pins).splitlines()[:2] == [
        "six==1.17.0 --hash=sha256:aa --hash=sha256:bb",
        "starlette==1.7.0 --hash=sha256:cc",
    ]


def test_two_versions_for_one_interpreter_stop_the_build() -> None:
    text = (
        "a==1 ; python_full_version < '3.11.4' --hash=sha256:aa\n"
        "a==2 ; python_full_version >= '3.11.4' --hash=sha256:bb\n"
    )
    with pytest.raises(BuildError, match="two versions of a"):
        select(parse_lock(text, file="lock"), "3.11", "linux-x64")


@pytest.mark.parametrize(
    "line",
    [
        "six==1.17.0",
        "six>=1 --hash=sha256:aa",
        "six==1.* --hash=sha256:aa",
        "six --hash=sha256:aa",
        "-e .",
        "--index-url somewhere",
        "six @ file:///x --hash=sha256:aa",
    ],
)
def test_a_line_that_locks_nothing_stops_the_build(line: str) -> None:
    with pytest.raises(BuildError, match="locks nothing") as caught:
        parse_lock(line, file="locks/requirements.txt")
    assert "locks/requirements.txt" in caught.value.message
    assert "toolkit lock" in caught.value.hint
