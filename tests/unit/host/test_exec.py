"""`agentctl exec`: how PM2 starts a program that can't read .env by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from toolkit import engine

PROGRAM = "import json, os, sys; print(json.dumps([os.environ['A'], sys.argv[1:]]))"


def test_the_program_gets_the_variables_and_its_own_arguments(tmp_path: Path) -> None:
    agentctl = tmp_path / "agentctl"
    agentctl.write_bytes(engine.build().data)
    (tmp_path / ".env").write_text("A='two words'\n", "utf-8")
    command = [sys.executable, "-c", PROGRAM, "--flag", "-x", "--", "last"]
    done = subprocess.run(
        [sys.executable, str(agentctl), "exec", "--", *command],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["two words", ["--flag", "-x", "--", "last"]]
