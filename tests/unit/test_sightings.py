"""What looks for secrets: it must see those that are to be seen."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.support.sightings import Sightings

MARK = "-".join(("a", "mark", "of", "tests"))


def wait_for(found: Sightings, word: str) -> None:
    deadline = time.monotonic() + 20
    while not any(word in each for each in found.seen):
        assert time.monotonic() < deadline, found.seen
        time.sleep(0.01)


def test_sees_command_lines_and_readable_files(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.touch(mode=0o600)
    hidden.write_text(MARK, "utf-8")
    with Sightings([MARK], folders=[tmp_path]) as found:
        time.sleep(0.3)
        assert found.seen == set()
        with subprocess.Popen([sys.executable, "-c", "input()", MARK], stdin=subprocess.PIPE):
            wait_for(found, "a command line")
        (tmp_path / "open").write_text(f"say {MARK} aloud", "utf-8")
        wait_for(found, "open")
    assert len(found.seen) == 2
    assert found.sweeps > 1
