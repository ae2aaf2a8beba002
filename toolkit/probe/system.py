"""What the host itself is, and how far systemd shields the service from it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from toolkit.probe.commands import Command, run
from toolkit.probe.files import Facts, text_of

OVERALL = re.compile(r"Overall exposure level for \S+: (\d+(?:\.\d+)?) (\w+)")
PRETTY = re.compile(r"^PRETTY_NAME=\"?([^\"\n]*)", re.MULTILINE)
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


def system_fact(service: str, manager: str | None) -> Facts:
    """Name the system and its kernel, and give what `systemd-analyze security` says of the unit.

    Its scale goes from 0 (shielded) to 10 (exposed).
    """
    texts = (text_of(Path(file))["text"] for file in OS_RELEASE)
    match = PRETTY.search(next((text for text in texts if text), ""))
    fact: Facts = {"name": match[1] if match else "unknown", "kernel": os.uname().release}
    if manager == "systemd":
        argv = ["systemd-analyze", "security", "--no-pager", f"{service}.service"]
        level = OVERALL.search(run(Command(argv)).out)
        if level:
            fact |= {"exposure": float(level[1]), "exposure_word": level[2]}
    return fact
