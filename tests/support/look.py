"""Says how a service stands after a power cut, as JSON; runs on the host: AGENTCTL HOME SECONDS.

It waits at most SECONDS for a version to answer and for a trial, if there is one, to be over. Times
are seconds since the kernel began.
"""

import hashlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

agentctl, folder, seconds = sys.argv[1:]
sys.path.insert(0, agentctl)

from toolkit.host.errors import AgentctlError  # noqa: E402 - from the agentctl that was named
from toolkit.host.manifest import PATH, File, parse_manifest  # noqa: E402 - as above

HOME = Path(folder)
UNITS = Path("/etc/systemd/system")


def look(patience: float) -> dict[str, Any]:
    answered, half = None, []
    deadline = time.monotonic() + patience
    while True:
        half += not_whole()
        version = answering()
        if version and answered is None:
            answered = uptime()
        over = version is not None and not on_trial()
        if over or time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    return {
        "version": version,
        "answered": answered,
        "settled": uptime() if over else None,
        "multi_user": multi_user(),
        "half": sorted(set(half)),
        "processes": processes(),
        "damaged": [line for marker in HOME.glob("releases/*/.complete") for line in bad(marker)],
        "empty": [str(path) for path in noted() if path.stat().st_size == 0],
        "state": parsed(HOME / "state.json"),
        "history": [json.loads(line) for line in lines(HOME / "history.jsonl")],
        "link": (HOME / "current").readlink().name if (HOME / "current").is_symlink() else None,
    }


def on_trial() -> bool:
    """Say whether systemd has yet to end a trial; before and after that nothing is at stake."""
    boot = UNITS / "multi-user.target.wants" / f"{HOME.name}-revert@rebooted.service"
    return (HOME / "trial").exists() and boot.is_symlink()


def not_whole() -> list[str]:
    """Give what `current` leads to where that is not a whole version."""
    current = HOME / "current"
    if not current.is_symlink():
        return []
    marker = current / ".complete"
    whole = marker.exists() and re.fullmatch("[0-9a-f]{64}\n", marker.read_text("ascii"))
    return [] if whole else [str(current.readlink())]


def answering() -> "str | None":
    """Give the version that answers."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:7070/", timeout=5) as answer:
            started = Path(json.load(answer)["from"])
    except OSError:
        return None
    return started.relative_to(HOME / "releases").parts[0]


def bad(marker: Path) -> list[str]:
    """Give the files of a version with a marker that are not those of its manifest."""
    release = marker.parent
    try:
        files = parse_manifest((release / PATH).read_text("utf-8"))
        return [str(release / file.path) for file in files if not same(release / file.path, file)]
    except (AgentctlError, OSError, ValueError) as error:
        return [f"{release}: {error!r}"]


def same(path: Path, file: File) -> bool:
    if file.link:
        return path.is_symlink() and str(path.readlink()) == file.link
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def noted() -> list[Path]:
    """Give all files that agentctl writes beside the releases, but for marks without content."""
    found = [*HOME.glob("*.json*"), HOME / "agentctl", *HOME.glob("trial/trial.json")]
    found += [
        *HOME.glob("trial/revert"),
        *UNITS.glob(f"{HOME.name}*"),
        *UNITS.glob(f"{HOME.name}*.d/*"),
    ]
    return [path for path in found if path.is_file()]


def processes() -> int:
    """Count the living processes of the agent, of whatever version."""
    count = 0
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().split(b"\0")
        except OSError:
            continue
        count += any(word.startswith(str(HOME).encode()) and b"agent.py" in word for word in words)
    return count


def parsed(path: Path) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def uptime() -> float:
    return float(Path("/proc/uptime").read_text("ascii").split()[0])


def multi_user() -> float:
    """Give when systemd had started all that belongs to an ordinary boot."""
    ask = ["systemctl", "show", "multi-user.target", "--property=ActiveEnterTimestampMonotonic"]
    said = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    return int(said.strip().partition("=")[2]) / 1e6


sys.stdout.write(json.dumps(look(float(seconds))))
