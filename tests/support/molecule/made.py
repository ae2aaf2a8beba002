"""What scenarios share, made once below build/molecule: the collection, and stores of releases.

It is made anew when one of the files that it is made of changes, and every twelve hours, before
signed metadata gets too old.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.ansible import install_collection
from tests.support.debs import collect
from tests.support.images import suites
from tests.support.molecule import ours
from tests.support.podman import machine_lock
from tests.support.published import Project
from tests.support.releases import TOP

OURS = "aiwm"  # the controller, and an agent of it
MADE = TOP / "build" / "molecule"
_LIFE = 12 * 3600
_COLLECTION = ("galaxy.yml", "meta", "plugins", "roles", "playbooks", "README.md")
_RELEASES = ("toolkit", "templates", "plugins", "release/locks", "tests/samples", "requirements")

# The versions that each sample's store offers, and what is wrong with them. Channel `stable` has
# the good one, and the project's last build is of that.
GOOD, BETTER, BAD = "1.0.0", "1.1.0", "1.2.0"
_OFFERED: Mapping[str, Mapping[str, str]] = {
    "frail": {BAD: "crash-at-start", BETTER: "", GOOD: ""},
    "echo": {GOOD: ""},
    "tiny": {GOOD: ""},
}


@dataclass(frozen=True)
class Offer:
    """A store in a folder, and the project that published to it."""

    folder: Path
    url: str = "http://127.0.0.1:8000"  # until a server says its own

    @property
    def root(self) -> Path:
        return self.folder / "store"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def variables(self, sample: str, url: str) -> Mapping[str, Any]:
        """Give what `toolkit render ansible-vars` prints of channel `stable` of a store."""
        if sample == OURS:
            return ours.variables(self.folder, url)
        argv = [sys.executable, "-m", "toolkit", "render", "ansible-vars", sample, "--store", url]
        done = subprocess.run(
            [*argv, "--root", "keys/root.json", "--channel", "stable"],
            cwd=self.project,
            stdout=subprocess.PIPE,
            check=True,
        )
        found: Mapping[str, Any] = yaml.safe_load(done.stdout)
        return found


def image() -> str:
    """Give what hosts are made of where nothing else is said: a Debian suite, or an image."""
    return os.environ.get("MOLECULE_IMAGE") or suites()[0]


def collections() -> Path:
    """Give the folder that holds the collection, built and installed as users have it."""
    return _made("collection", _COLLECTION, install_collection) / "collections"


def offer(sample: str) -> Offer:
    """Give the store of a sample agent, or of the project's own releases."""
    if sample == OURS:
        sources = (*_RELEASES, "release", "controller", "agents")
        return Offer(_made(f"offer-{sample}", sources, ours.publish))
    return Offer(_made(f"offer-{sample}", _RELEASES, lambda folder: _publish(sample, folder)))


def packages(names: Sequence[str], image: str) -> Path:
    """Give a repository of Debian packages, and of what hosts of `image` lack for them."""
    name = re.sub("[^A-Za-z0-9.]", "-", "-".join(("packages", image, *names)))
    return _made(name, (), lambda folder: collect(folder / "all", image, names)) / "all"


def _made(name: str, sources: Iterable[str], make: Callable[[Path], object]) -> Path:
    folder, mark = MADE / name, MADE / f"{name}.made"
    MADE.mkdir(parents=True, exist_ok=True)
    with machine_lock(f"molecule-{name}"):
        digest = _digest(sources)
        fresh = mark.is_file() and time.time() - mark.stat().st_mtime < _LIFE
        if not fresh or mark.read_text("utf-8") != digest:
            mark.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            mark.write_text(digest, "utf-8")
    return folder


def _digest(sources: Iterable[str]) -> str:
    found = hashlib.sha256(Path(__file__).read_bytes())
    for source in sources:
        place = TOP / source
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                found.update(f"{file.relative_to(TOP)} {content}\n".encode())
    return found.hexdigest()


def _publish(sample: str, folder: Path) -> None:
    offered = Offer(folder)
    offered.root.mkdir()
    project = Project(offered.project, offered, sample=sample)
    shutil.copytree(TOP / "release" / "locks", offered.project / "release" / "locks")
    project.run("keys", "init", "--agent", sample)
    plain = project.file.read_text("utf-8")
    for version, fault in _OFFERED[sample].items():
        project.file.write_text(_text(plain, fault), "utf-8")
        project.publish(version)
    project.run("promote", sample, GOOD, "--channel", "stable")


def _text(plain: str, fault: str) -> str:
    """Give a release file with a fault, and with time enough to start where a machine is busy."""
    patient = re.sub("^timeout = .*$", "timeout = 60", plain, flags=re.MULTILINE)
    more = f', "--fault", "{fault}"' if fault else ""
    return patient.replace('"{version}"]', f'"{{version}}"{more}]')
