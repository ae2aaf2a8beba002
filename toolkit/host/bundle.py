"""Packs what somebody far away needs to help: one small archive, with the secrets taken out."""

from __future__ import annotations

import gzip
import io
import json
import os
import platform
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from toolkit import __version__
from toolkit.host.commands import run
from toolkit.host.envfile import parse_env
from toolkit.host.errors import AgentctlError
from toolkit.host.known_secrets import known_secrets
from toolkit.host.layout import Layout
from toolkit.host.logtail import log_tail
from toolkit.host.redact import Redactor
from toolkit.host.state import State

MOST = 1_000_000
# What is read of a log; it shrinks to a tenth, as logs do, or is cut further.
LOG_BYTES = 4_000_000
LEAST_LOG = 1000
FILE_BYTES = 200_000
ENTRIES = 2000
SECONDS = 15.0
_LOG = "log.txt"

README = """\
A support bundle of the service {service}, made by agentctl {agentctl} at {at}.

Taken out, wherever they were known or looked like it: the values of .env and of credentials,
passwords, tokens, keys, cookies and signatures. What is left in their place is [redacted].
Have a look before you send it: what a program writes into its log in a form of its own, such as
names of people, is still there.

log.txt has the last lines; when it was too long, its beginning was left out.
"""


@dataclass(frozen=True)
class Look:
    """What other verbs found, ready for JSON."""

    status: Mapping[str, Any]
    doctor: Sequence[Mapping[str, Any]]


def pack(layout: Layout, state: State, look: Look, at: datetime) -> bytes:
    """Give the archive (.tar.gz), at most MOST bytes.

    Raises NotPermitted where this user can't read the secrets that must be taken out.
    """
    redactor = Redactor(known_secrets(layout, state))
    files = {name: redactor.text(text) for name, text in _texts(layout, state, at)}
    found = {"state.json": asdict(state), "status.json": look.status, "doctor.json": look.doctor}
    for name, value in found.items():
        files[name] = _json(redactor, value)
    for path in sorted(layout.home.glob("*.jsonl")):
        files[path.name] = _json_lines(redactor, path)
    log = redactor.text(log_tail(layout, state, LOG_BYTES))
    return _fitting({name: _middle_out(text) for name, text in files.items()}, log, at)


def _fitting(files: Mapping[str, str], log: str, at: datetime) -> bytes:
    """Cut the log from the front until all of it fits."""
    while True:
        packed = _packed({**files, _LOG: log}, at)
        if len(packed) <= MOST or len(log) < LEAST_LOG:
            return packed
        log = log[len(log) // 2 :].partition("\n")[2]


def _packed(files: Mapping[str, str], at: datetime) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in sorted(files.items()):
            data = text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"support/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(at.timestamp())
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 9, mtime=int(at.timestamp()))


def _middle_out(text: str) -> str:
    """Leave the middle of a text out that is longer than any of its kind should be."""
    if len(text) <= FILE_BYTES:
        return text
    half = FILE_BYTES // 2
    head, tail = text[:half].rpartition("\n")[0], text[-half:].partition("\n")[2]
    return f"{head}\n[... {len(text) - FILE_BYTES} characters are left out ...]\n{tail}"


def _json(redactor: Redactor, value: object) -> str:
    plain = json.loads(json.dumps(value, default=str))
    return json.dumps(redactor.value(plain), indent=2, sort_keys=True) + "\n"


def _json_lines(redactor: Redactor, path: Path) -> str:
    lines = []
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            lines.append(json.dumps(redactor.value(json.loads(line))))
        except ValueError:
            lines.append(redactor.text(line))
    return "\n".join(lines) + "\n"


def _texts(layout: Layout, state: State, at: datetime) -> Iterator[tuple[str, str]]:
    yield (
        "README.txt",
        README.format(service=state.service, agentctl=__version__, at=at.isoformat("T", "seconds")),
    )
    yield "versions.txt", _versions()
    yield "disk.txt", _said(["df", "-hT"]) + "\n" + _said(["df", "-hi"])
    yield "memory.txt", _file(Path("/proc/meminfo")) + _file(Path("/proc/pressure/memory"))
    yield "load.txt", _said(["uptime"]) + _said(["ps", "-eo", "pid,user,stat,rss,etime,comm"])
    yield "folder.txt", "\n".join(_listing(layout)) + "\n"
    yield "env-names.txt", _env_names(layout)
    unit = f"{state.service}.service"
    own = ["--user"] if "user" in state.manager else []
    if state.manager not in ("pm2", "direct"):
        yield "unit-cat.txt", _said(["systemctl", *own, "cat", "--no-pager", unit])
        yield "unit-show.txt", _said(["systemctl", *own, "show", "--no-pager", unit])
        yield "unit-status.txt", _said(["systemctl", *own, "status", "--no-pager", "-n0", unit])
        yield "units-failed.txt", _said(["systemctl", "--failed", "--no-pager"])
    if state.manager == "pm2":
        yield "ecosystem.txt", _file(layout.home / "ecosystem.config.js")


def _versions() -> str:
    lines = [
        f"agentctl {__version__}",
        f"Python {platform.python_version()} ({platform.python_implementation()})",
        f"kernel {platform.release()} {platform.machine()}",
        *_said(["systemctl", "--version"]).splitlines()[:1],
    ]
    return "\n".join(lines) + "\n\n" + _file(Path("/etc/os-release"))


def _listing(layout: Layout) -> Iterator[str]:
    """Give mode, owner, size, time and name of what is in the service's folder, not too deep."""
    left = ENTRIES
    for path, folders, files in os.walk(layout.home):
        depth = len(Path(path).relative_to(layout.home).parts)
        for name in sorted((*folders, *files)):
            yield _entry(Path(path, name), layout.home)
            left -= 1
            if not left:
                yield "[and more]"
                return
        if depth >= 2:
            folders.clear()


def _entry(path: Path, home: Path) -> str:
    facts = path.lstat()
    link = f" -> {path.readlink()}" if path.is_symlink() else ""
    time = datetime.fromtimestamp(facts.st_mtime).astimezone().isoformat("T", "seconds")
    owner = f"{facts.st_uid}:{facts.st_gid}"
    mode = stat.filemode(facts.st_mode)
    return f"{mode} {owner:<11} {facts.st_size:>10} {time} {path.relative_to(home)}{link}"


def _env_names(layout: Layout) -> str:
    try:
        names = sorted(parse_env(layout.env.read_text("utf-8", "replace")))
    except FileNotFoundError:
        return "(there is no .env)\n"
    return "".join(f"{name}\n" for name in names)


def _file(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        return f"({path}: {error.strerror})\n"


def _said(argv: Sequence[str]) -> str:
    """Give what a program of the host says, or why it says nothing: never a reason to stop."""
    try:
        return run(argv, timeout=SECONDS, accept=tuple(range(256)))
    except (AgentctlError, OSError) as error:
        return f"({error})\n"
