"""A PostgreSQL of a test's own: a new cluster on a Unix socket, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.need import need

_PROGRAMS = "/usr/lib/postgresql"


class Cluster:
    """Runs on a socket in `folder`; `stop` and `start` let it be gone for a while."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self._data = folder / "data"
        # PostgreSQL refuses to run as root; its package brings a user for it.
        self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if os.geteuid() != 0:
            self._as_user = []

    def create(self) -> None:
        if self._as_user:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.folder.chmod(0o755)
        self._run(
            "initdb", "--auth=trust", "--username=aiwm", f"--pgdata={self._data}", "--no-sync"
        )

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder}"
        log = f"--log={self.folder}/log"
        self._run(
            "pg_ctl", "start", "--wait", f"--pgdata={self._data}", log, f"--options={options}"
        )

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", f"--pgdata={self._data}")

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let it keep its connections and answer none, as behind a network that drops all."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        processes = [postmaster, *map(int, children)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def database(self, name: str) -> str:
        """Make an empty database and give its address."""
        self._run("createdb", f"--host={self.folder}", "--username=aiwm", name)
        return f"postgresql://aiwm@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), *arguments]
        # A server that lives on must not hold pipes of ours open.
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{program} failed: {done.returncode}"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Give a cluster that runs."""
    found = sorted(Path(_PROGRAMS).glob("*/bin/initdb"))
    need(bool(found), "PostgreSQL is missing (tools/system-packages --install)")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path must be short
    made = Cluster(found[-1].parent, folder)
    try:
        made.create()
        made.start()
        yield made
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            made.stop()
        shutil.rmtree(folder)
