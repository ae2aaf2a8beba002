"""Installing Verdaccio on a host: our install script against what hosts did by hand before.

Before: Node.js from a mirror in NVM's layout, the agent's files, `npm install` from a registry
with a lock file, a systemd unit (documented-install.sh). Ours: the install script as rendered,
once with a pinned .tar.gz and once following a channel of a signed store, which has the .tar.zst.

Each run has a new host, in turns. Mirror, registry (the Verdaccio that we ship, warmed so that it
asks nobody) and store are on the same machine and answer by the same bridge. A run ends when the
service answers at its health URL.

Hosts are removed at the end only: for minutes after many files were deleted, ext4 passes over their
inodes one by one whenever a file is made, and the next run would pay for it, many times over.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import statistics
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.registry import Registry, make_mirror
from tests.support.containers import HostSpec, SshKey
from tests.support.hosts import Host, reap
from tests.support.images import ensure_image
from tests.support.network import HostNetwork
from tests.support.published import Project
from tests.support.releases import SCRIPT, Released, build_example, put_script
from tests.support.serve import StoreServer
from toolkit.host.unpack import unpack

HERE = Path(__file__).parent
RUNS = 3
GOAL = 5.0
SUITE = "bookworm"
HEALTH = "http://127.0.0.1:4873/-/ping"
BEFORE, PINNED, CHANNEL = "NVM and npm install", "ours, pinned", "ours, a channel"
_WATCHER, _FLOW = "/srv/on_host.py", "/srv/documented-install.sh"


@dataclass(frozen=True)
class Figures:
    """One installation: seconds to the service's answer and to the script's end, CPU, bytes."""

    answered: float
    ended: float
    cpu: float
    moved: int
    disk: int


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        report(measure(Path(name)))


@contextmanager
def hosts(work: Path) -> Iterator[tuple[HostNetwork, Callable[[], Host]]]:
    """Give the network, and what boots a host on it."""
    reap()
    key, image = SshKey.generate(work), ensure_image(SUITE)
    with HostNetwork() as network:
        yield network, lambda: Host.boot(HostSpec(image, key, network=network))


def measure(work: Path) -> Mapping[str, list[Figures]]:
    released = build_example("verdaccio", work / "dist")
    with hosts(work) as (network, boot), ExitStack() as stack:
        store, signed = work / "store", work / "signed"
        for folder in (store, signed):
            folder.mkdir()
        serve = [StoreServer(each, address=network.gateway) for each in (store, signed)]
        pinned, channel = (stack.enter_context(each) for each in serve)
        script = publish(work / "project", channel)
        flow = documented(work, released, network.gateway, pinned)
        stack.enter_context(flow[0].serving())
        kinds: dict[str, tuple[list[str], Callable[[Host], None]]] = {
            BEFORE: (flow[1], put_flow),
            PINNED: (["bash", SCRIPT], lambda host: put_script(released, pinned, host)),
            CHANNEL: (["bash", SCRIPT], lambda host: host.put(script, SCRIPT, mode=0o755)),
        }
        runs: dict[str, list[Figures]] = {how: [] for how in kinds}
        for _ in range(RUNS):
            for how, (command, prepare) in kinds.items():
                host = boot()
                stack.callback(host.remove)
                prepare(host)
                runs[how].append(install(host, command))
                host.run(["systemctl", "stop", "verdaccio"], user="root")
    return runs


def publish(folder: Path, store: StoreServer) -> Path:
    """Publish Verdaccio signed, with a channel; gives the install script that follows it."""
    project = Project(folder, store)
    top = HERE.parent / "release"
    shutil.copytree(top / "locks", folder / "release" / "locks", dirs_exist_ok=True)
    text = (top / "verdaccio.toml").read_text("utf-8")
    text = re.sub(r"(?m)^platforms = .*", 'platforms = ["linux-x64"]', text)
    (folder / "release" / "verdaccio.toml").write_text(text, "utf-8")
    project.run("keys", "init", "--agent", "verdaccio")
    project.run("release", "verdaccio")
    project.run("upload", "verdaccio")
    version = re.search(r'(?m)^source = "npm:verdaccio@(.*)"', text)
    if version is None:
        raise SystemExit("release/verdaccio.toml names no version")
    project.run("promote", "verdaccio", version[1], "--channel", "stable")
    script = folder / "install.sh"
    ask = ("render", "install-script", "verdaccio", "--channel", "stable", "-o", str(script))
    project.run(*ask)
    return script


def documented(
    work: Path, released: Released, address: str, files: StoreServer
) -> tuple[Registry, list[str]]:
    """Make the registry, the mirror and the agent's tarball; gives the words of the flow."""
    unpack(released.dist / released.artifact.tarball, work / "release")
    registry = Registry(work / "release", work / "registry", address)
    registry.warm(work / "agent")
    version = make_mirror(files.root / "node")
    with tarfile.open(files.root / "agent.tar.gz", "w:gz") as tar:
        for name in ("package.json", "package-lock.json"):
            tar.add(work / "agent" / name, name)
    where = [f"{files.url}/node", version, f"{files.url}/agent.tar.gz", registry.url]
    return registry, ["bash", _FLOW, *where]


def put_flow(host: Host) -> None:
    host.put(HERE / "documented-install.sh", _FLOW)


def install(host: Host, command: list[str]) -> Figures:
    host.put(HERE / "on_host.py", _WATCHER)
    done = host.run(["python3", _WATCHER, HEALTH, *command], timeout=900)
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def report(runs: Mapping[str, list[Figures]]) -> None:
    console = Console(width=110)
    console.print(
        f"{os.cpu_count()} CPUs, {platform.machine()}; medians of {RUNS} runs in turns, "
        f"a new host each; Python {sys.version.split()[0]}"
    )
    columns = ("seconds", "fastest - slowest", "script's end", "CPU seconds", "moved", "on disk")
    table = Table("Verdaccio installed by", *columns, box=None)
    for how, figures in runs.items():
        clocks = [one.answered for one in figures]
        table.add_row(
            how,
            f"{middle(figures, 'answered'):.1f}",
            f"{min(clocks):.1f} - {max(clocks):.1f}",
            f"{middle(figures, 'ended'):.1f}",
            f"{middle(figures, 'cpu'):.1f}",
            f"{middle(figures, 'moved') / 1e6:.1f} MB",
            f"{middle(figures, 'disk') / 1e6:.0f} MB",
        )
    console.print(table)
    for how in (PINNED, CHANNEL):
        ratio = middle(runs[BEFORE], "answered") / middle(runs[how], "answered")
        held = "held" if ratio >= GOAL else "MISSED"
        console.print(f"{how}: {ratio:.1f} times as fast (goal: at least {GOAL:g}; {held})")


def middle(figures: list[Figures], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in figures))


if __name__ == "__main__":
    main()
