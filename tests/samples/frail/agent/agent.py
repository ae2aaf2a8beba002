"""An agent that can fail in eight ways; it answers on a port and says which version it is."""

import argparse
import contextlib
import http.server
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

PORT = 7171


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", required=True)
    parser.add_argument("--fault", default="none")
    parser.add_argument("--after", type=float, default=0.0)
    parser.add_argument("--controller", default="")
    parser.add_argument("--beat", default="")
    return parser.parse_args()


def let_in(controller: str) -> bool:
    """Ask the controller, where there is one, whether it takes this agent's token."""
    if not controller:
        return True
    try:
        urllib.request.urlopen(controller, timeout=2).close()
    except urllib.error.URLError:
        return False
    return True


def serve(version: str, controller: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            well = let_in(controller)
            body = f"version={version}\n".encode()
            self.send_response(200 if well else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a host asks several times a second."""

    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


def beat(url: str, version: str) -> None:
    """Tell the controller twice a second which version this is, whatever it answers."""
    headers = {"Authorization": f"Bearer {os.environ.get('FRAIL_TOKEN', '')}"}
    while True:
        request = urllib.request.Request(url, version.encode(), headers)
        with contextlib.suppress(OSError):
            urllib.request.urlopen(request, timeout=2).close()
        time.sleep(0.5)


def fill_the_disk() -> None:
    with Path("workspace/ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


def take_all_memory() -> None:
    taken = []
    while True:
        taken.append(os.urandom(1 << 24))


def main() -> None:
    given = arguments()
    if given.fault == "crash-at-start":
        sys.exit("nothing works today")
    if given.fault == "hang":
        time.sleep(86_400)
    if given.fault == "disk-full":
        fill_the_disk()
    if given.fault == "out-of-memory":
        take_all_memory()
    if given.fault == "crash-later":
        threading.Timer(given.after, lambda: os._exit(1)).start()
    version = "1.0.0" if given.fault == "old-version" else given.version
    if given.beat:
        threading.Thread(target=beat, args=(given.beat, version), daemon=True).start()
    serve(version, given.controller)


main()
