"""A project of the small sample agent, whose signed releases hosts fetch from a store."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.releases import SAMPLES
from tests.support.serve import StoreServer

PASSPHRASE = "correct horse battery staple"


class Project:
    """A folder as a release engineer has it, and the commands that they type there."""

    def __init__(self, folder: Path, store: StoreServer) -> None:
        self.folder = folder
        shutil.copytree(SAMPLES / "tiny", folder, dirs_exist_ok=True)
        table = {"type": "directory", "path": str(store.root), "url": store.url}
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        (folder / "toolkit.toml").write_text("\n".join(["[stores.local]", *lines, ""]), "utf-8")

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
        file = self.folder / "release" / "tiny.toml"
        text = file.read_text("utf-8")
        old = next(line for line in text.splitlines() if line.startswith("version = "))
        file.write_text(text.replace(old, f'version = "{version}"'), "utf-8")
        self.run("release", "tiny")
        self.run("upload", "tiny")
