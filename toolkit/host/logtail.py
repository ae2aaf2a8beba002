"""The end of a service's log, as a text, however long the log is."""

from __future__ import annotations

import os
import subprocess

from toolkit.host.accounts import existing_account
from toolkit.host.errors import AgentctlError
from toolkit.host.files import open_log
from toolkit.host.layout import Layout
from toolkit.host.logs import journal_command, log_files
from toolkit.host.release import SYSTEM_PATH
from toolkit.host.state import State

LINES = 50_000
PIECE = 65_536
SECONDS = 30.0


def log_tail(layout: Layout, state: State, most: int) -> str:
    """Give the last whole lines of the log, `most` bytes of them; says where it can't be read."""
    files = log_files(layout, state)
    if not files:
        return _whole_lines(_journal_tail(state, most), most)
    texts = []
    for path in files:
        try:
            texts.append(f"==> {path.name} <==\n{_file_tail(layout, state, path.name, most)}")
        except (AgentctlError, OSError) as error:
            texts.append(f"==> {path.name} <==\n({error})\n")
    return "".join(texts)


def _file_tail(layout: Layout, state: State, name: str, most: int) -> str:
    with open_log(layout.logs / name, existing_account(state.user)) as file:
        start = max(0, os.fstat(file.fileno()).st_size - most)
        file.seek(start)
        data = file.read(most)
    return (data.partition(b"\n")[2] if start else data).decode("utf-8", "replace")


def _journal_tail(state: State, most: int) -> bytes:
    """Read the journal's last lines, and keep no more of them in memory than is wanted."""
    argv = journal_command(state, "--quiet", f"--lines={LINES}", "--output=short-iso")
    kept = b""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"},
    ) as child:
        while child.stdout and (piece := child.stdout.read(PIECE)):
            kept += piece
            if len(kept) > 2 * most:
                kept = kept[-most:]
    return kept


def _whole_lines(data: bytes, most: int) -> str:
    cut = data[-most:].partition(b"\n")[2] if len(data) > most else data
    return cut.decode("utf-8", "replace")
