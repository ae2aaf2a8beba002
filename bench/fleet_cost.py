"""What a command costs who gives it, and the hosts that it works on."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.timing import Failed
from tests.support.hosts import Host
from tests.support.podman import podman

_EVERY = 0.3
_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, CPU seconds of the operator's side and of all hosts, bytes at most.

    The memory is that of the process and all that it started, each shared page counted once. What
    ssh's masters need after they went into the background is in neither figure.
    """

    clock: float
    cpu: float
    hosts: float
    memory: int


class HostsCpu:
    """Reads the CPU seconds that hosts took, from their control groups."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        names = [host.name for host in hosts]
        pids = podman("inspect", "--format", "{{.State.Pid}}", *names).stdout.split()
        self._files = [_file(int(pid)) for pid in pids]

    def read(self) -> float:
        """Give the seconds of all hosts since they booted."""
        return sum(map(_seconds, self._files))


def _file(pid: int) -> Path:
    lines = Path(f"/proc/{pid}/cgroup").read_text("ascii").splitlines()
    groups = {kinds: path for _, kinds, path in (line.split(":", 2) for line in lines)}
    for kinds, path in groups.items():
        if "cpuacct" in kinds.split(","):
            return _GROUPS / "cpuacct" / path.strip("/") / "cpuacct.usage"
    whole = groups[""].removesuffix("/init.scope").strip("/")
    return _GROUPS / whole / "cpu.stat"


def _seconds(file: Path) -> float:
    text = file.read_text("ascii")
    if file.name == "cpuacct.usage":
        return int(text) / 1e9
    return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6


def cost_of(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    hosts: HostsCpu,
) -> tuple[Cost, str]:
    """Run a command to its end; gives what it cost and what it printed.

    Raises Failed with the end of what it printed, where its exit code is not 0.
    """
    with tempfile.TemporaryFile(dir=folder) as said, tempfile.TemporaryFile(dir=folder) as errors:
        before, began = hosts.read(), time.perf_counter()
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=errors,
        )
        peak = _Peak(process.pid)
        peak.start()
        _, status, used = os.wait4(process.pid, 0)
        clock = time.perf_counter() - began
        peak.end()
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (said, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    if process.returncode != 0:
        end = "".join(texts)[-3000:]
        raise Failed(f"{' '.join(command)} exited with {process.returncode}:\n{end}")
    cpu = used.ru_utime + used.ru_stime
    return Cost(clock, cpu, hosts.read() - before, peak.bytes), texts[0]


class _Peak(threading.Thread):
    """Looks now and then how much memory a process and its children hold."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        """Look until `end`."""
        while not self._ended.wait(_EVERY):
            self.bytes = max(self.bytes, sum(map(_held, _tree(self._pid))))

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _children(pid: int) -> Iterable[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(each) for task in tasks for each in (task / "children").read_text().split()]
    except OSError:  # it has ended meanwhile
        return []


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
