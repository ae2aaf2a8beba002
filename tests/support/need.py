"""Missing prerequisites: a reason to skip on a developer's machine, a failure in CI."""

import os
import shutil

import pytest


def need(condition: bool, what: str) -> None:
    """Stop the test unless `condition` holds.

    A test that is skipped in CI proves nothing and looks green, so there it fails.

    Args:
        condition: whether the prerequisite is there.
        what: what is missing, and what to do about it.
    """
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI lacks what this test needs: {what}", pytrace=False)
    pytest.skip(what)


def need_command(name: str) -> None:
    """Stop the test unless the command `name` is on PATH."""
    # Debian gives users a PATH without the folders of programs that root runs.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    need(
        shutil.which(name, path=path) is not None,
        f"the command {name} is missing (tools/system-packages --install)",
    )
