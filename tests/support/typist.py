"""Runs a command at a terminal and types a password when asked; runs on a host, by its Python.

Its arguments are a file for the command's process id (which is its session's), the password and
the command.
"""

import os
import pty
import signal
import sys
from pathlib import Path


def main() -> int:
    """Give the command's exit code; SIGUSR1 types Ctrl-C."""
    note, password, *command = sys.argv[1:]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    signal.signal(signal.SIGUSR1, lambda *_: os.write(terminal, b"\x03"))
    Path(note).write_text(f"{os.getpid()} {child}\n")
    unanswered = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the command has closed the terminal
            break
        os.write(1, chunk)
        unanswered = (unanswered + chunk)[-200:]
        if b"password for" in unanswered:
            unanswered = b""
            os.write(terminal, f"{password}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
