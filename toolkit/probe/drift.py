"""Holds the files of a release against the manifest that came with them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from toolkit.probe.files import Facts, reason

MANIFEST = "manifest.json"
# What an installation makes in the folder of a release, and what Python leaves there.
MADE = (".complete", MANIFEST)
MADE_FOLDERS = ("venv", "__pycache__")
NAMED = 20
CHUNK = 1 << 20


def drift_fact(release: Path) -> Facts:
    """Name the files that are not as released: changed, missing, and added ones."""
    try:
        rows = json.loads((release / MANIFEST).read_text("utf-8"))["files"]
        known = {row["path"]: row for row in rows}
        changed = [path for path, row in known.items() if _differs(release / path, row)]
        missing = [path for path in known if not os.path.lexists(release / path)]
        added = sorted(set(_files(release)) - set(known))
    except (ValueError, KeyError, TypeError):
        return {"files": 0, "problem": f"{MANIFEST} can't be read"}
    except OSError as error:
        return {"files": 0, "problem": f"{MANIFEST}: {reason(error)}"}
    found = {"changed": changed, "missing": missing, "added": added}
    counts = {name: len(paths) for name, paths in found.items()}
    shown = {name: sorted(paths)[:NAMED] for name, paths in found.items()}
    return {"files": len(known), **shown, "count": sum(counts.values())}


def _differs(path: Path, row: Facts) -> bool:
    """Say whether a file that is there has other bytes, or a link leads elsewhere."""
    if not os.path.lexists(path):
        return False
    if "link" in row:
        return not path.is_symlink() or str(path.readlink()) != row["link"]
    if path.is_symlink() or not path.is_file() or path.stat().st_size != row["size"]:
        return True
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest() != str(row["sha256"])


def _files(release: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(release):
        inside = os.path.relpath(folder, release)
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if name not in MADE_FOLDERS]
        for name in [*files, *links]:
            path = name if inside == "." else f"{inside}/{name}"
            if path not in MADE:
                found.append(path)
    return found
