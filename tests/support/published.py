"""A project of a small sample agent, whose signed releases hosts fetch from a store."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from tests.support.releases import SAMPLES

PASSPHRASE = "correct horse battery staple"


class Place(Protocol):
    """Where releases go, and the address at which hosts find them."""

    @property
    def root(self) -> Path: ...
    @property
    def url(self) -> str: ...


class Project:
    """A folder as a release engineer has it, and the commands that they type there."""

    def __init__(self, folder: Path, store: Place, *, sample: str = "tiny") -> None:
        self.folder = folder
        self.sample = sample
        shutil.copytree(SAMPLES / sample, folder, dirs_exist_ok=True)
        table = {"type": "directory", "path": str(store.root), "url": store.url}
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        (folder / "toolkit.toml").write_text("\n".join(["[stores.local]", *lines, ""]), "utf-8")

    @property
    def file(self) -> Path:
        """The agent's release file."""
        return self.folder / "release" / f"{self.sample}.toml"

    def run(self, *words: str, code: int = 0) -> str:
        reader, writer = os.pipe()
        os.write(writer, f"{PASSPHRASE}\n".encode())
        os.close(writer)
        secret = ["--passphrase-fd", str(reader)] if words[0] == "keys" else []
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", *words, *secret],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=[reader],
        )
        os.close(reader)
        assert done.returncode == code, done.stdout + done.stderr
        assert PASSPHRASE not in done.stdout + done.stderr
        return done.stdout

    def publish(self, version: str) -> None:
        text = self.file.read_text("utf-8")
        old = next(line for line in text.splitlines() if line.startswith("version = "))
        self.file.write_text(text.replace(old, f'version = "{version}"'), "utf-8")
        self.run("release", self.sample)
        self.run("upload", self.sample)
