"""Runs `toolkit` again and again in processes of their own, without importing it each time.

A process that has imported everything forks a child for each run; the child is a real process
that can be killed at any moment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# The file that this variable names is what each run finds open as this file descriptor.
PASSPHRASE = "TESTS_PASSPHRASE_FILE"
PASSPHRASE_FD = 9


class ForkedToolkit:
    """Starts runs of `toolkit` one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, *words: str) -> int:
        """Start `toolkit WORDS`; return the id of its process."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def go(self) -> None:
        """Let the run that was started begin."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def wait(self) -> int:
        """Wait for its end; return its exit code, negative for a signal."""
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


@contextmanager
def forked_toolkit(environment: Mapping[str, str], log: Path) -> Iterator[ForkedToolkit]:
    """Run the process that forks; the output of all runs goes to the file `log`."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked"],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as process,
    ):
        try:
            yield ForkedToolkit(process)
        finally:
            process.kill()


def _serve() -> None:
    # So that no child has to import them.
    import toolkit.keyring  # noqa: PLC0415
    import toolkit.s3.store  # noqa: PLC0415
    import toolkit.vouch  # noqa: F401, PLC0415
    from toolkit.cli import main  # noqa: PLC0415

    passphrase = os.environ.get(PASSPHRASE)
    for line in iter(sys.stdin.readline, ""):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)
            if passphrase:
                os.dup2(os.open(passphrase, os.O_RDONLY), PASSPHRASE_FD)
            os.read(read, 1)
            main(json.loads(line))
            os._exit(0)
        _say(pid)
        sys.stdin.readline()
        os.write(write, b"g")
        os.close(read)
        os.close(write)
        _say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
