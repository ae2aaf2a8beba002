"""An agent that tells systemd when it is ready and that it lives, by sd_notify(3)'s protocol.

Files in its workspace make it slow: `late` before it is ready, `hang` afterwards.
"""

import os
import socket
import time
from pathlib import Path

WORKSPACE = Path("workspace")


def tell(state: str) -> None:
    """Send a datagram to the socket that systemd names; "@" stands for an abstract one."""
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)


while (WORKSPACE / "late").exists():
    time.sleep(0.1)
tell("READY=1")
while not (WORKSPACE / "hang").exists():
    tell("WATCHDOG=1")
    time.sleep(0.2)
(WORKSPACE / "hang").unlink()
time.sleep(3600)
