"""Writes files so that a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from toolkit.host.accounts import Account
from toolkit.host.errors import NotOurs

# How much of a log's end is looked at for its last lines.
LOG_BYTES = 64 * 1024


def write_atomic(path: Path, data: bytes, mode: int, owner: Account | None = None) -> None:
    """Write `data` to `path` whole, with its final mode and owner before it has its name.

    The file is made with mode 0600, so that nobody can read a secret in it for a moment.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None and os.geteuid() == 0:
                os.fchown(file.fileno(), owner.uid, owner.gid)
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def copy_whole(path: Path, copy: Path) -> None:
    """Copy a file with its mode and owner; the copy has its name when it is whole."""
    status = path.stat()
    owner = Account("", status.st_uid, status.st_gid, "")
    write_atomic(copy, path.read_bytes(), stat.S_IMODE(status.st_mode), owner)


def unfinished(folder: Path) -> list[Path]:
    """Give the files in `folder` that a run was writing when it was killed."""
    return list(folder.glob(".*.new"))


def write_if_changed(path: Path, data: bytes, mode: int, owner: Account | None = None) -> bool:
    """Write `data` unless it stands there already; give whether the file was written."""
    if not differs(path, data):
        return False
    write_atomic(path, data, mode, owner)
    return True


def differs(path: Path, data: bytes) -> bool:
    """Say whether `path` is missing or holds something other than `data`."""
    try:
        return path.read_bytes() != data
    except FileNotFoundError:
        return True


def point_link(link: Path, target: Path) -> None:
    """Make `link` point at `target` by one rename(2): at every instant it points somewhere."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(target, link.parent))
    temporary.replace(link)
    sync_folder(link.parent)


def make_folder(path: Path, mode: int, owner: Account | None = None) -> None:
    """Make the folder `path` with `mode`, and give it to `owner` when root may."""
    path.mkdir(parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)
    if owner is not None and os.geteuid() == 0:
        os.chown(path, owner.uid, owner.gid)


def remove_tree(path: Path) -> None:
    """Remove a folder, read-only ones included; that it is not there is no fault."""
    if not path.exists():
        return
    if os.geteuid() != 0:
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o700)
    shutil.rmtree(path)


def sync_folder(path: Path) -> None:
    """Put a folder's names on the disk, so that a rename in it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: Path) -> None:
    """Put all that was written to the file system of `path` on its disk (syncfs(2)).

    os.sync would also wait for all other disks, however slow they are.
    """
    import ctypes  # noqa: PLC0415 - what supervises a service must start fast

    descriptor = os.open(path, os.O_RDONLY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


def last_lines(path: Path, lines: int, owner: Account) -> list[str]:
    """Give the last lines of a log that a service wrote, or why they are not read.

    None where there is no log.
    """
    try:
        with open_log(path, owner) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - LOG_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
    except NotOurs as error:
        return [f"({error.message})"]


def open_log(path: Path, owner: Account) -> BinaryIO:
    """Open a log that a service wrote.

    The service may write to its folder, so what stands there may be a link to another's file:
    raises NotOurs where it is not the service's own, and OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotOurs(f"{path} is a link: it is not read") from error
        raise
    file = os.fdopen(descriptor, "rb")
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (owner.uid, os.geteuid()):
        file.close()
        raise NotOurs(f"{path} is no log of {owner.name}: it is not read")
    return file
