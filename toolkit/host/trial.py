"""A version on trial: what stood before, and who may still say how it ends.

The folder `trial` stands from the moment before anything of the old version is touched until the
new one is kept or the old one is back. In it, one empty file says how far things are, and only its
renaming changes that: `armed` becomes `committed` or `reverting-WHY`, never both, whoever comes
first. What is needed to go back stands in `was`, ready to be renamed into its place: that
takes no room on a full disk.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from toolkit import __version__
from toolkit.host.errors import BadRelease
from toolkit.host.files import copy_whole, remove_tree, sync_folder, write_atomic
from toolkit.host.layout import Layout
from toolkit.host.state import require_format

SCHEMA = 1
ARMED = "armed"
COMMITTED = "committed"
REVERTING = "reverting"
REVERTED = "reverted"
# Why a trial was ended by somebody: stopped, and so it stays; or stopped or restarted.
HALTED = "halted"
DISTURBED = "disturbed"
# Room for what is noted at the end, should the version on trial fill the disk.
_RESERVE = "reserve"
_RESERVED = 256 * 1024
_CREDENTIAL = "credential-"


@dataclass(frozen=True)
class Trial:
    """The version on trial, and the one that comes back unless it is kept.

    `kind` is upgrade or rollback; `sha256` is the new version's; `seconds` is how long its
    keeper has to say that it stays. `heard` is when the controller last heard from the agent,
    empty for never and None where it can't say. `keep` is how many versions stay on the host.
    """

    kind: str
    version: str
    sha256: str
    before: str
    manager: str
    began: str
    seconds: int
    heard: str | None = None
    keep: int = 3


@dataclass(frozen=True)
class Standing:
    """How far a trial is: armed, committed, reverting or reverted, the last two with a reason."""

    word: str
    why: str = ""


def open_trial(layout: Layout, trial: Trial) -> None:
    """Note the trial and what stands now; all of it appears at once."""
    folder = _unfinished(layout)
    remove_tree(folder)
    folder.mkdir()
    (folder / "was").mkdir(mode=0o700)
    folder.chmod(0o755)
    (folder / "was" / "current").symlink_to(layout.current.readlink())
    for name, place in _settings(layout):
        # Not a second name for the same file: an editor may write into that.
        copy_whole(place, folder / "was" / name)
    (folder / ARMED).touch(mode=0o600)
    data = {"schema": SCHEMA, "agentctl": __version__, **asdict(trial)}
    text = json.dumps(data, indent=2, sort_keys=True) + "\n"
    write_atomic(folder / "trial.json", text.encode(), 0o644)
    (folder / _RESERVE).write_bytes(os.urandom(_RESERVED))
    sync_folder(folder / "was")
    folder.rename(layout.trial)
    sync_folder(layout.home)


def read_trial(layout: Layout) -> Trial | None:
    """Give the trial that is open, or None.

    Raises BadRelease where it can't be read, TooOld where a newer agentctl opened it.
    """
    path = layout.trial / "trial.json"
    try:
        data = json.loads(path.read_text("utf-8"))
        require_format(layout, path, data, SCHEMA)
        known = {field.name for field in fields(Trial)}
        # A newer agentctl may have noted more.
        return Trial(**{name: value for name, value in data.items() if name in known})
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, TypeError) as error:
        raise BadRelease(
            f"{path} is damaged: {error}",
            hint="wait a few minutes, in which systemd ends the trial; then move "
            f"{layout.trial} away",
        ) from error


def standing(layout: Layout) -> Standing:
    """Say how far the open trial is."""
    for path in layout.trial.iterdir():
        word, _, why = path.name.partition("-")
        if word in (ARMED, COMMITTED, REVERTING, REVERTED):
            return Standing(word, why)
    raise FileNotFoundError(f"{layout.trial} does not say how far it is")


def commit(layout: Layout) -> bool:
    """Keep the new version; False where somebody has begun to bring the old one back."""
    return _renamed(layout, ARMED, COMMITTED)


def begin_revert(layout: Layout, why: str) -> bool:
    """Take the decision to go back; False where the version was kept, or it is taken already."""
    return _renamed(layout, ARMED, f"{REVERTING}-{why}")


def restore(layout: Layout) -> None:
    """Put back what stood before, as far as it is not back yet."""
    for path, place in kept(layout):
        path.replace(place)
        path.unlink(missing_ok=True)  # where both were names of one file, nothing was renamed
        sync_folder(place.parent)


def kept(layout: Layout) -> list[tuple[Path, Path]]:
    """Give what stands ready to go back to, and the place of each."""
    places = {"env": layout.env, "current": layout.current}
    was = layout.trial / "was"
    return [
        (path, places.get(path.name) or layout.credentials / path.name.removeprefix(_CREDENTIAL))
        for path in sorted(was.iterdir())
    ]


def _settings(layout: Layout) -> list[tuple[str, Path]]:
    found = [("env", layout.env)] if layout.env.exists() else []
    if layout.credentials.is_dir():
        found += [(_CREDENTIAL + path.name, path) for path in layout.credentials.iterdir()]
    return found


def end_revert(layout: Layout) -> None:
    """Say that the old version is back."""
    why = standing(layout).why
    _renamed(layout, f"{REVERTING}-{why}", f"{REVERTED}-{why}")


def free_reserve(layout: Layout) -> None:
    """Make room for what is to be noted."""
    (layout.trial / _RESERVE).unlink(missing_ok=True)


def close_trial(layout: Layout) -> None:
    """Take the folder away: it is gone at once, whatever happens in between."""
    if layout.trial.exists():
        remove_tree(_unfinished(layout))
        layout.trial.rename(_unfinished(layout))
        sync_folder(layout.home)
    remove_tree(_unfinished(layout))


def _unfinished(layout: Layout) -> Path:
    return layout.home / ".trial.new"


def _renamed(layout: Layout, old: str, new: str) -> bool:
    try:
        (layout.trial / old).rename(layout.trial / new)
    except FileNotFoundError:
        return False
    sync_folder(layout.trial)
    return True
