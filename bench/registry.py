"""A package registry and a mirror of Node.js on the test machine, for hosts that know no other."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.timing import Failed
from toolkit.sources import npm

TOP = Path(__file__).parent.parent
LOCKS = TOP / "release" / "locks" / "verdaccio"
PORT = 4873
_START_SECONDS = 60


@dataclass(frozen=True)
class Registry:
    """A Verdaccio as it is shipped, unpacked in `release`; it keeps its packages in `folder`."""

    release: Path
    folder: Path
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}:{PORT}/"

    def warm(self, project: Path) -> None:
        """Have it fetch all that the lock names, and write the lock into `project` for hosts."""
        project.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCKS / name, project)
        settings = {"npm_config_cache": str(self.folder / "npm"), "npm_config_registry": self.url}
        ask = ["npm", "config", "get", "registry"]
        outside = subprocess.check_output(ask, text=True, stderr=subprocess.DEVNULL).strip()
        with self.serving(uplink=outside):
            command = [*npm.program(), "ci", "--silent", "--ignore-scripts", "--no-audit"]
            environment = {**os.environ, **settings}
            subprocess.run(command, cwd=project, env=environment, check=True, timeout=600)
        shutil.rmtree(project / "node_modules")
        self._name_addresses(project / "package-lock.json")

    def _name_addresses(self, file: Path) -> None:
        """Write into the lock where each package is, as npm does: else it asks for each."""
        lock = json.loads(file.read_text("utf-8"))
        for path, package in lock["packages"].items():
            if path:
                name = package.get("name") or path.rpartition("node_modules/")[2]
                tarball = f"{name.rpartition('/')[2]}-{package['version']}.tgz"
                package["resolved"] = f"{self.url}{name}/-/{tarball}"
        file.write_text(json.dumps(lock, indent=2), "utf-8")

    @contextmanager
    def serving(self, uplink: str = "") -> Iterator[None]:
        """Run it for as long as the block lasts; without an `uplink` it asks nobody."""
        self.folder.mkdir(exist_ok=True)
        rule: dict[str, str] = {"access": "$all"}
        config = {
            "storage": str(self.folder / "storage"),
            "uplinks": {},
            "packages": {"**": rule},
            "log": {"type": "stdout", "level": "fatal"},
        }
        if uplink:
            rule["proxy"] = "outside"
            config["uplinks"] = {"outside": {"url": uplink}}
        (self.folder / "config.yaml").write_text(json.dumps(config), "utf-8")
        program = self.release / "node_modules/verdaccio/bin/verdaccio"
        node = self.release / "runtime/node/bin/node"
        where = ["--listen", f"{self.address}:{PORT}", "--config", str(self.folder / "config.yaml")]
        process = subprocess.Popen([str(node), str(program), *where], stdout=subprocess.DEVNULL)
        try:
            self._wait(process)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}-/ping", timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise Failed("the registry did not start")


def make_mirror(folder: Path) -> str:
    """Fill `folder` as the site of Node.js is laid out; gives the version that it has.

    Its program is the npm package's, and npm the one that toolkit builds with.
    """
    node, script = (Path(word) for word in npm.program())
    package, npm_package = node.parent.parent, script.parent.parent
    version = str(json.loads((package / "package.json").read_text("utf-8"))["version"])
    name = f"node-v{version}-linux-x64"
    there = folder / f"v{version}"
    there.mkdir(parents=True)
    with tarfile.open(there / f"{name}.tar.gz", "w:gz", compresslevel=6) as tar:
        for path in ("bin", "include", "share", "LICENSE", "README.md"):
            tar.add(package / path, f"{name}/{path}")
        tar.add(npm_package, f"{name}/lib/node_modules/npm")
        link = tarfile.TarInfo(f"{name}/bin/npm")
        link.type, link.linkname = tarfile.SYMTYPE, "../lib/node_modules/npm/bin/npm-cli.js"
        tar.addfile(link)
    digest = hashlib.sha256((there / f"{name}.tar.gz").read_bytes()).hexdigest()
    (there / "SHASUMS256.txt").write_text(f"{digest}  {name}.tar.gz\n", "utf-8")
    (folder / "index.tab").write_text(f"version\tdate\tfiles\nv{version}\t-\tlinux-x64\n", "utf-8")
    return version
