"""Releasing Verdaccio with its Node.js: `toolkit release` against oclif's `pack tarballs`.

Both run as whole commands, in turns, from the same lock file and the same warm cache of npm, and
pack the same version of Node.js. oclif would fetch that from its maker's site; its own cache is
filled beforehand with the one that toolkit takes from npm, so it has nothing to fetch. What each
packed is unpacked, and has to say its version.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.timing import Failed, Spent, median, timed
from toolkit.config import parse_agent

TOP = Path(__file__).parent.parent
OCLIF = "6.0.10"
RUNS = 3
TARGET = "linux-x64"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        work = Path(name)
        project, program, peer = make_project(work), work / "program", work / "oclif"
        environment = {**os.environ, "npm_config_prefer_offline": "true"}
        # This fills npm's cache, and gives the Node.js for both.
        timed(ours(project), environment, TOP)
        node = found(unpack(project / "out", work / "ours"))
        install(peer, environment)
        make_program(program, node)
        commands = {
            "oclif pack tarballs": theirs(peer, node, program),
            "toolkit release": ours(project),
        }
        runs: dict[str, list[Spent]] = {packer: [] for packer in commands}
        for _ in range(RUNS):
            for packer, command in commands.items():
                runs[packer].append(timed(command, environment, program))
        tried(work, project, program)
        report(runs, {"oclif pack tarballs": program / "dist", "toolkit release": project / "out"})


def make_project(work: Path) -> Path:
    """Describe Verdaccio as release/ does, but without PM2, which oclif does not pack."""
    project = work / "project"
    (project / "release").mkdir(parents=True)
    text = (TOP / "release/verdaccio.toml").read_text("utf-8")
    text = re.sub(r"(?m)^(#:schema|pm2 =).*\n", "", text).replace('"pm2", ', "")
    (project / "release/verdaccio.toml").write_text(text, "utf-8")
    return project


def install(folder: Path, environment: Mapping[str, str]) -> None:
    folder.mkdir()
    (folder / "package.json").write_text("{}", "utf-8")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"oclif@{OCLIF}"]
    subprocess.run(command, cwd=folder, env=dict(environment), check=True)


def make_program(folder: Path, node: Path) -> None:
    """Write a package whose program is Verdaccio's, locked as toolkit locks it."""
    file = TOP / "release/verdaccio.toml"
    spec = parse_agent(file.read_text("utf-8"), file=str(file))
    version = getattr(spec.runtime, "version")  # noqa: B009 - only Node.js has one
    lock = json.loads((TOP / "release/locks/verdaccio/package-lock.json").read_text("utf-8"))
    package = json.loads((TOP / "release/locks/verdaccio/package.json").read_text("utf-8"))
    own = {"name": "verdaccio", "version": spec.release_version, "bin": {"verdaccio": "bin/run"}}
    lock["packages"][""] |= own
    oclif = {"bin": "verdaccio", "dirname": "verdaccio", "update": {"node": {"version": version}}}
    more = {"private": False, "files": ["bin"], "scripts": {}, "engines": {"node": ">=20"}}
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/run").write_text(
        '#!/usr/bin/env node\nrequire("verdaccio/bin/verdaccio")\n', "utf-8"
    )
    for name, content in (
        ("package.json", {**package, **own, **more, "oclif": oclif}),
        ("package-lock.json", lock),
    ):
        (folder / name).write_text(json.dumps(content), "utf-8")
    cache = folder / "tmp/cache" / f"node-v{version}-{TARGET}"
    cache.mkdir(parents=True)
    shutil.copy2(node, cache / "node")


def theirs(peer: Path, node: Path, program: Path) -> list[str]:
    """Run oclif by the Node.js that it packs: the machine's own may be too old for it."""
    oclif = [str(node), str(peer / "node_modules/oclif/bin/run.js"), "pack", "tarballs"]
    return [*oclif, "--root", str(program), "--no-xz", "--targets", TARGET, "--sha", "0000000"]


def ours(project: Path) -> list[str]:
    command = [sys.executable, "-m", "toolkit", "release", "verdaccio", "--platform", TARGET]
    where = ["--project", str(project), "--out", str(project / "out")]
    return [*command, *where, "--no-cache", "--no-zstd"]


def tried(work: Path, project: Path, program: Path) -> None:
    """Let both programs say their version by the Node.js that was packed with each."""
    said = set()
    for name, packed in (("ours", project / "out"), ("oclif", program / "dist")):
        tree = unpack(packed, work / f"{name}-tried")
        script = next(tree.rglob("node_modules/verdaccio/bin/verdaccio"))
        said.add(subprocess.check_output([found(tree), script, "--version"], text=True))
    if len(said) != 1:
        raise Failed(f"the programs differ: {said}")


def found(tree: Path) -> Path:
    """Find the program of Node.js; packages have files of that name that are scripts."""
    return max((file for file in tree.rglob("node") if file.is_file()), key=size)


def unpack(packed: Path, to: Path) -> Path:
    with tarfile.open(tarball(packed)) as tar:
        tar.extractall(to, filter="tar")
    return to


def tarball(folder: Path) -> Path:
    return next(file for file in folder.glob("verdaccio-v*.tar.gz"))


def size(file: Path) -> int:
    return file.stat().st_size


def report(runs: Mapping[str, list[Spent]], folders: Mapping[str, Path]) -> None:
    console = Console()
    console.print(f"{os.cpu_count()} CPUs; median of {RUNS} runs in turns; npm's cache is warm")
    table = Table("released by", "seconds", "fastest - slowest", "CPU seconds", "size", box=None)
    for name, spent in runs.items():
        clocks = [one.clock for one in spent]
        table.add_row(
            name,
            f"{median(spent).clock:.1f}",
            f"{min(clocks):.1f} - {max(clocks):.1f}",
            f"{median(spent).cpu:.1f}",
            f"{size(tarball(folders[name])) / 1e6:.1f} MB",
        )
    console.print(table)
    (their_runs, their_folder), (our_runs, our_folder) = zip(
        runs.values(), folders.values(), strict=True
    )
    faster = median(their_runs).clock / median(our_runs).clock
    larger = size(tarball(our_folder)) / size(tarball(their_folder))
    console.print(f"{faster:.1f} times as fast as oclif, {larger:.3f} times the size")


if __name__ == "__main__":
    main()
