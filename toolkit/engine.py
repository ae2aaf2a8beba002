"""Packs `agentctl`: the host's engine as one file, the same bytes wherever it is packed."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit import __version__

_SHEBANG = b"#!/usr/bin/env python3\n"
# This file alone must be understood by every Python 3: it says which one is needed.
_MAIN = """\
import sys
import zipimport

if sys.version_info < (3, 10):
    found = "%d.%d" % sys.version_info[:2]
    sys.stderr.write("error: agentctl needs Python 3.10 or newer, not " + found + "\\n")
    sys.exit(10)


class CompilingOnce(zipimport.zipimporter):
    # Python's own compiles a module to say where it stands, and then again to run it.
    def get_filename(self, fullname):
        place = self.archive + "/" + self.prefix + fullname.rpartition(".")[2]
        return place + ("/__init__.py" if self.is_package(fullname) else ".py")


sys.path_hooks.insert(0, CompilingOnce)
sys.path_importer_cache.clear()

from toolkit.host.cli import main

sys.exit(main())
"""
_SUFFIXES = {".py", ".md", ""}


@dataclass(frozen=True)
class Engine:
    """agentctl as a file for a store; its `name` carries its version and its hash."""

    name: str
    data: bytes
    sha256: str


def build() -> Engine:
    """Pack the engine that came with this toolkit.

    Members are stored, not compressed: what a compressor gives depends on its version.
    """
    archive = io.BytesIO()
    archive.write(_SHEBANG)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as file:
        for name, data in sorted(_members()):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.create_system = 3
            file.writestr(info, data)
    data = archive.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    return Engine(f"agentctl-{__version__}-{sha256[:12]}.pyz", data, sha256)


def _members() -> Iterator[tuple[str, bytes]]:
    package = Path(__file__).parent
    yield "__main__.py", _MAIN.encode()
    yield "toolkit/__init__.py", (package / "__init__.py").read_bytes()
    for path in (package / "host").rglob("*"):
        if path.is_file() and path.suffix in _SUFFIXES:
            yield f"toolkit/{path.relative_to(package).as_posix()}", path.read_bytes()
