"""The checks of `agentctl doctor` on this host: room, rights, and the last run of agentctl."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from toolkit.host.accounts import Account, find_account
from toolkit.host.checks import FAIL, WARN, Check, ok, size
from toolkit.host.commands import run
from toolkit.host.errors import CommandFailed
from toolkit.host.files import unfinished
from toolkit.host.layout import Layout
from toolkit.host.lock import is_held
from toolkit.host.state import State

MEGABYTE = 1_000_000
# With less than this, not even a log or a state file can be written for long.
LEAST = 16 * MEGABYTE
LEAST_FILES = 500
# A tarball and what is in it stand beside each other for a moment.
TIMES = 2
MOST_FILES = 200_000
KEEPERS = ("systemd-timesyncd", "chrony", "chronyd", "ntpsec", "ntp")
SECONDS = 5.0


def check_disk(layout: Layout) -> Check:
    """Compare what is free with what the next version will need."""
    disk = os.statvfs(layout.home)
    free, files = disk.f_bavail * disk.f_frsize, disk.f_favail
    count, needed = _tree(layout.current)
    needed, count = max(LEAST, TIMES * needed), max(LEAST_FILES, TIMES * count)
    room = f"{size(free)} free in {layout.home}"
    if disk.f_flag & os.ST_RDONLY:
        return Check(
            "disk",
            FAIL,
            f"{layout.home} can only be read",
            "a file system that has faults is often left so",
            "look at: sudo dmesg; mount",
        )
    if free < LEAST:
        why = f"less than {size(LEAST)}: logs and state can soon not be written"
        return Check("disk", FAIL, room, why, _make_room(layout))
    if disk.f_files and files < LEAST_FILES:
        why = "each file takes one, however small it is"
        do = f"find the folder with very many files: sudo du --inodes -x -d 3 {_mount(layout)}"
        return Check(
            "disk", FAIL, f"only {files} more files fit into {layout.home} (inodes)", why, do
        )
    if free < needed or (disk.f_files and files < count):
        why = f"the next version may need {size(needed)} and {count} files"
        return Check("disk", WARN, room, why, _make_room(layout))
    return ok("disk", f"{room}; the next version may need {size(needed)}")


def _make_room(layout: Layout) -> str:
    return f"see what takes it: sudo du -xh -d 3 {_mount(layout)} | sort -h | tail -20"


def _mount(layout: Layout) -> Path:
    path = layout.home
    while not path.is_mount():
        path = path.parent
    return path


def _tree(folder: Path) -> tuple[int, int]:
    """Give how many files a folder has, and their bytes."""
    count = total = 0
    for path in _walk(folder.resolve()):
        count, total = count + 1, total + path.lstat().st_blocks * 512
    return count, total


def _walk(folder: Path) -> Iterator[Path]:
    """Give files and folders, no more than MOST_FILES of them; none twice, no link followed."""
    left = MOST_FILES
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(path, name)
            left -= 1
            if left <= 0:
                return


def check_permissions(layout: Layout, state: State) -> Check:
    """Look whether secrets are closed, and whether the service could change its own release."""
    if layout.env.exists():
        facts = layout.env.stat()
        if facts.st_mode & 0o077:
            return Check(
                "permissions",
                FAIL,
                f"others may read or write {layout.env} (mode {stat.S_IMODE(facts.st_mode):04o})",
                "it holds the service's secrets",
                f"sudo chmod 600 {layout.env}; exchange the secrets in it if somebody may have "
                "seen them",
            )
    account = find_account(state.user)
    if account is None:
        return Check(
            "permissions",
            FAIL,
            f"the service's user {state.user} is gone",
            do="run the install script again",
        )
    if account.uid == 0 or layout.home.stat().st_uid == account.uid:
        return ok("permissions", f"{layout.env.name} is closed; {state.user} owns {layout.home}")
    open_to = next((path for path in _guarded(layout) if _writable(path, account)), None)
    if open_to is not None:
        return Check(
            "permissions",
            FAIL,
            f"the service's user {state.user} may change {open_to}",
            "a service that was broken into could put its own program there",
            f"sudo chown root: {open_to}; sudo chmod go-w {open_to}; if somebody may have "
            "changed it, install again",
        )
    return ok("permissions", f"{layout.env.name} is closed; {state.user} can't change the release")


def _guarded(layout: Layout) -> Iterator[Path]:
    """Give what decides which program runs."""
    yield from (layout.home, layout.releases, layout.agentctl, layout.state)
    running = layout.current.resolve()
    if running.is_dir():
        yield running
        yield from _walk(running)


def _writable(path: Path, account: Account) -> bool:
    try:
        facts = path.lstat()
    except OSError:
        return False
    if stat.S_ISLNK(facts.st_mode):
        return False
    bit = stat.S_IWOTH
    if facts.st_uid == account.uid:
        # The owner may give itself what it has not.
        return True
    if facts.st_gid in os.getgrouplist(account.name, account.gid):
        bit |= stat.S_IWGRP
    return bool(facts.st_mode & bit)


def check_last_run(layout: Layout, state: State) -> Check:
    """Say how agentctl's last run ended: whole, failed, cut off, or not at all yet."""
    if is_held(layout):
        return Check(
            "last run",
            WARN,
            "another agentctl works here right now",
            "what stands here may change in this moment",
            "ask again when it has ended",
        )
    again = "run the install script again: it goes on from there"
    if state.outcome == "installing":
        return Check(
            "last run",
            FAIL,
            f"the last run was cut off: {state.reason}",
            f"it stopped at {state.at}, while {state.version} was being installed",
            again,
        )
    if state.outcome == "failed":
        return Check(
            "last run",
            WARN,
            f"the last run failed at {state.at}: {state.reason}",
            do=f"mend that, then {again}",
        )
    left = [path.name for path in (*unfinished(layout.home), layout.incoming) if path.exists()]
    if left:
        return Check(
            "last run",
            WARN,
            f"a run that was cut off left {', '.join(sorted(left))}",
            "half a download, or a file that was being written; nothing uses it",
            "nothing; the next run goes on with it or takes it away",
        )
    return ok("last run", f"it ended well at {state.at}; nothing is left half done")


def clock_keeper() -> str | None:
    """Say who keeps this host's clock right: empty for nobody, None where it can't be known.

    A container has the clock of its machine, which alone can set it.
    """
    if not Path("/run/systemd/system").is_dir():
        return None
    try:
        if _said(["systemd-detect-virt", "--container"]) not in ("", "none"):
            return None
        synchronised = _said(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
        active = [name for name in KEEPERS if _said(["systemctl", "is-active", name]) == "active"]
    except CommandFailed:
        return None
    if synchronised == "yes":
        return active[0] if active else "a time server"
    return "" if synchronised == "no" else None


def _said(argv: list[str]) -> str:
    return run(argv, timeout=SECONDS, accept=(0, 1, 3, 4)).strip()
