"""What lies on the disk: kinds, owners, modes and texts of files."""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path
from typing import Any

LOOSE_SHOWN = 3
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
# A line of .env that sets a variable to more than nothing.
SETTING = re.compile(r"""^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(?!\s*(?:""|'')?\s*$)""")

Facts = dict[str, Any]


def reason(error: OSError) -> str:
    """Say why the system refused something."""
    return f"{error.strerror or error}".lower()


def user_name(uid: int) -> str:
    """Give the name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def text_of(path: Path) -> Facts:
    """Read a text file, or say why not; a file that is not there has no text."""
    try:
        return {"text": path.read_text("utf-8", "replace")}
    except (FileNotFoundError, NotADirectoryError):
        return {"text": None}
    except OSError as error:
        return {"text": None, "problem": reason(error)}


def path_fact(path: Path) -> Facts:
    """Describe what lies at `path`, without following a link."""
    try:
        found = path.lstat()
        target = str(path.readlink()) if stat.S_ISLNK(found.st_mode) else ""
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent"}
    except OSError as error:
        return {"kind": "unknown", "problem": reason(error)}
    return {
        "kind": KINDS.get(stat.S_IFMT(found.st_mode), "other"),
        "owner": user_name(found.st_uid),
        "mode": stat.S_IMODE(found.st_mode),
        "target": target,
        "changed": found.st_mtime,
    }


def tree_fact(release: Path) -> Facts | None:
    """Count a release's files, and find what others than its owner or root may write."""
    problems: list[str] = []
    loose: list[str] = []
    count = 0
    try:
        owners = {0, release.lstat().st_uid}
        walk = os.walk(release, onerror=lambda error: problems.append(reason(error)))
        for folder, _, files in walk:
            paths = [folder, *(f"{folder}/{name}" for name in files)]
            loose += [os.path.relpath(path, release) for path in paths if _loose(path, owners)]
            count += len(files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problems.append(reason(error))
    shown = loose[:LOOSE_SHOWN] + (["..."] if len(loose) > LOOSE_SHOWN else [])
    return {"files": count, "loose": shown, "problem": problems[0] if problems else ""}


def _loose(path: str, owners: set[int]) -> bool:
    found = os.lstat(path)
    link = stat.S_ISLNK(found.st_mode)
    return found.st_uid not in owners or (not link and bool(found.st_mode & 0o022))


def variables_fact(path: Path) -> Facts:
    """Name the variables that an environment file sets; their values stay here."""
    env = text_of(path)
    matches = (SETTING.match(line) for line in (env["text"] or "").splitlines())
    names = sorted({match[1] for match in matches if match})
    return {"names": names, "problem": env.get("problem", "")}
