"""A real Chromium, driven by its own DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.need import need_command

Json = dict[str, Any]


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.complaints: list[str] = []

    def send(self, method: str, **params: Any) -> Json:
        """Call a method of the protocol and give its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(timeout=60))
            if said.get("id") == self._number:
                assert "error" not in said, said
                found: Json = said["result"]
                return found
            if said.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                self.complaints.append(json.dumps(said["params"])[:500])

    def run(self, script: str) -> Any:
        """Run JavaScript in the page and give what it comes to."""
        said = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait(self, condition: str) -> None:
        """Wait until a condition holds; a page that is being left can't say."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if self.run(f"Boolean({condition})"):
                    return
            except AssertionError:
                pass
            time.sleep(0.05)
        raise AssertionError(
            f"never: {condition}; the page says: {self.run('document.body.innerText')}"
        )

    def press(self, key: str, text: str = "") -> None:
        """Press a key of the keyboard."""
        code = {"Tab": 9, "Enter": 13, "ArrowDown": 40}.get(key, 0)
        more: Json = {"text": text} if text else {}
        name: Json = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", **name, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", **name)

    def write(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def focused(self) -> str:
        script = "(e => e.id || e.name || e.innerText || e.tagName)(document.activeElement)"
        return str(self.run(script)).strip()

    def look(self, *, width: int, height: int, scheme: str, mobile: bool = False) -> None:
        """Show the page as on a screen of this size, light or dark."""
        scale = 2 if mobile else 1
        size: Json = {"width": width, "height": height, "deviceScaleFactor": scale}
        self.send("Emulation.setDeviceMetricsOverride", **size, mobile=mobile)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def shoot(self, file: Path) -> None:
        """Write what is seen into a PNG file."""
        data = self.send("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(data))


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Give a tab of a Chromium that keeps all that it writes in `folder`."""
    need_command("chromium")
    profile = folder / "chromium"
    process = subprocess.Popen(
        [
            str(shutil.which("chromium")),
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_address(profile, process), max_size=1 << 26, proxy=None) as whole:
            whole.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
            told = json.loads(whole.recv(timeout=60))["result"]["targetInfos"]
        tab = next(each["targetId"] for each in told if each["type"] == "page")
        base = _address(profile, process).split("/devtools/")[0]
        with connect(f"{base}/devtools/page/{tab}", max_size=1 << 26, proxy=None) as socket:
            yield Page(socket)
    finally:
        process.kill()
        process.wait()
        _remove(profile)


def _remove(profile: Path) -> None:
    """Remove what it wrote: its other processes end on their own, and write until then."""
    end = time.monotonic() + 30
    while profile.exists():
        shutil.rmtree(profile, ignore_errors=True)
        assert time.monotonic() < end, f"{profile} is still written into"
        time.sleep(0.05)


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    file = profile / "DevToolsActivePort"
    end = time.monotonic() + 60
    while not (file.exists() and file.read_text().count("\n") == 1):
        assert process.poll() is None, "Chromium did not start"
        assert time.monotonic() < end, "Chromium said no port"
        time.sleep(0.05)
    port, path = file.read_text().split("\n")
    return f"ws://127.0.0.1:{port}{path}"
