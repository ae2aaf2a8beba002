"""A project with an agent, a store that is a folder, and the `toolkit` command."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tests.support.serve import StoreServer
from tests.support.tarballs import write_release
from tests.support.trusted import Client
from toolkit.artifact import Artifact
from toolkit.cli import main

PASSPHRASE = "correct horse"
AGENT = """\
name = "beacon"
title = "A beacon"
source = "beacon"
version = "1.0.0"

[runtime]
kind = "none"

[service]
exec = ["{current}/beacon"]
"""
STORES = """\
[stores.local]
type = "directory"
path = "served"
url = "http://127.0.0.1:8000"
"""


@dataclass(frozen=True)
class Project:
    """Runs `toolkit` in a folder."""

    folder: Path

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def served(self) -> Path:
        return self.folder / "served"

    def run(self, *words: str, code: int = 0, passphrase: str | None = PASSPHRASE) -> Result:
        """Run a command and see to its exit code; the passphrase comes by a file descriptor."""
        argv = [*words, "--project", str(self.folder)]
        with _pipe(passphrase) as descriptor:
            if descriptor is not None:
                argv += ["--passphrase-fd", str(descriptor)]
            done = CliRunner().invoke(main, argv)
        assert done.exit_code == code, done.output
        return done

    def json(self, *words: str, passphrase: str | None = None) -> Any:
        return json.loads(self.run(*words, "--json", passphrase=passphrase).stdout)

    def release(self, version: str, content: bytes | None = None) -> None:
        """Build and upload a version."""
        dist = self.folder / "release/dist"
        write_release(dist, Artifact("beacon", version, None), content or version.encode())
        self.run("upload", "beacon", version, passphrase=None)

    @contextmanager
    def host(self, root: bytes | None = None) -> Iterator[Client]:
        """Give a new host that trusts `root`, by default the project's."""
        with StoreServer(self.served) as server:
            home = self.folder / f"host-{os.urandom(4).hex()}"
            home.mkdir()
            trusted = root or (self.keys / "root.json").read_bytes()
            yield Client(server.url, trusted, home)


def make_project(folder: Path) -> Project:
    """Write the agent `beacon` and a store; no keys yet."""
    (folder / "release").mkdir(parents=True)
    (folder / "release/beacon.toml").write_text(AGENT)
    (folder / "toolkit.toml").write_text(STORES)
    return Project(folder)


@contextmanager
def _pipe(text: str | None) -> Iterator[int | None]:
    if text is None:
        yield None
        return
    reader, writer = os.pipe()
    os.write(writer, f"{text}\n".encode())
    os.close(writer)
    try:
        yield reader
    finally:
        os.close(reader)
