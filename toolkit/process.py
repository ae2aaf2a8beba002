"""Runs a command of toolkit.commands on this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from toolkit.commands import Command
from toolkit.errors import BuildError, MissingToolError

_LINES_OF_OUTPUT = 12
_INSTALL = {
    "npm": "install Node.js 22 or newer with npm (`apt-get install npm`, or from nodejs.org)",
}
_DISK_FULL = ("ENOSPC", "No space left on device")


def run(command: Command, *, folder: Path) -> None:
    """Run `command` in `folder`, with the umask that makes files readable.

    Raises MissingToolError where there is no such program, and BuildError with the end of
    its output where it fails.
    """
    _run(command, folder, subprocess.STDOUT)


def output_of(command: Command, *, folder: Path) -> str:
    """Run `command` in `folder`, and give what it says on its standard output; raises as `run`."""
    return _run(command, folder, subprocess.PIPE).stdout.decode(errors="replace")


def _run(command: Command, folder: Path, errors: int) -> subprocess.CompletedProcess[bytes]:
    program = command.argv[0]
    try:
        done = subprocess.run(
            command.argv,
            cwd=folder,
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            umask=0o022,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise MissingToolError(
            f"could not {command.why}: no {program} on this machine can be run",
            hint=_INSTALL.get(program, f"install {program}, or change what names it"),
        ) from error
    if done.returncode:
        said = done.stdout + (done.stderr or b"")
        raise _failure(command, done.returncode, said.decode(errors="replace"))
    return done


class CommandFailedError(BuildError):
    """A program of a build failed; `output` is all that it wrote."""

    def __init__(self, command: Command, message: str, *, why: str, hint: str, output: str) -> None:
        super().__init__(message, why=why, hint=hint)
        self.command = command
        self.output = output


def _failure(command: Command, code: int, output: str) -> CommandFailedError:
    program = Path(command.argv[0]).name
    if any(sign in output for sign in _DISK_FULL):
        why, hint = "the disk is full", "free some room; TMPDIR says where builds are made"
    else:
        lines = [line for line in output.splitlines() if line.strip()]
        why = "\n".join([f"{program} ended with {code}", *lines[-_LINES_OF_OUTPUT:]])
        hint = "mend what it says, then run the same command again"
    return CommandFailedError(
        command, f"could not {command.why}", why=why, hint=hint, output=output
    )
