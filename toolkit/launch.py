"""What starts a program on a host in one command: the shell's words, and what it then reads.

The program and its order go through standard input, so that neither stands in argv. The answer
follows a mark, since a login shell may print other things first. The words have neither line
breaks nor backslashes: the login shell of a host may be fish or csh.
"""

from __future__ import annotations

import shlex

from toolkit.hosts import Host

NO_PYTHON = 96
FAULT = 95  # the program ended with an exception
READY = b"toolkit-ready:"
ASKS = "toolkit-sudo-asks:"

# $1: how to become root; $2: the interpreter; $3: what it runs; $4: the prompt of sudo.
# -S: what the host's own Python has installed is of no use, and would be looked through.
# With `auto`, sudo ends with 1 where it refuses; what runs under it never does (FAULT).
_START = "; ".join(
    [
        f'command -v "$2" >/dev/null 2>&1 || exit {NO_PYTHON}',
        'if [ "$1" = never ] || [ "$(id -u)" = 0 ]; then exec "$2" -ISBc "$3"',
        'elif [ "$1" = password ]; then exec sudo -S -p "$4" -- "$2" -ISBc "$3"',
        'elif [ "$1" = always ]; then exec sudo -n -- "$2" -ISBc "$3"; fi',
        'if command -v sudo >/dev/null; then sudo -n -- "$2" -ISBc "$3" 2>/dev/null; code=$?',
        'if [ "$code" != 1 ]; then exit "$code"; fi; fi',
        'exec "$2" -ISBc "$3"',
    ]
)
# What stands in a command is also in the host's log of sudo, so it is short and can be read.
_BOOT = (
    f'import sys; print("{READY.decode()}", flush=True); '
    "exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))"
)
# Errors of the program go after its answer, and what its children write to stderr nowhere: both
# streams are one to whoever reads.
_PRELUDE = f"""
import os
def hook(kind, error, trace):
    sys.stdout.flush()
    print(chr(10) + kind.__name__ + ": " + str(error), flush=True)
    os._exit({FAULT})
sys.excepthook = hook
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
code = compile(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())), "toolkit", "exec")
try:
    exec(code, {{"__name__": "__main__"}})
except SystemExit as end:
    sys.stdout.flush()
    os._exit({FAULT} if end.code == 1 else end.code if isinstance(end.code, int) else 0)
"""


def command_line(host: Host) -> str:
    """Give the command that starts Python on `host`, as root where it may."""
    words = ["sh", "-c", _START, "sh", rights(host), host.python, _BOOT, ASKS]
    return shlex.join(words)


def rights(host: Host) -> str:
    """Say how to become root: never, by a password, always without, or auto: if it needs none."""
    if host.become is False:
        return "never"
    if host.become_password is not None:
        return "password"
    return "auto" if host.become is None else "always"


def payload(program: str, order: bytes) -> bytes:
    """Give what Python reads: two texts, each after its size, then what the program reads."""
    texts = (_PRELUDE.encode(), program.encode())
    return b"".join(b"%d\n" % len(text) + text for text in texts) + order
