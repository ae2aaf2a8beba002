"""A small agent: answers on a port, says what it was started with, takes its time where told."""

import http.server
import json
import os
import pathlib
import sys
import time

# Where it ran from when it began, whatever links point at later.
STARTED_FROM = os.path.realpath(__file__)


def credentials() -> dict[str, str]:
    """Give what systemd handed over, by name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        return {}
    return {path.name: path.read_text("utf-8") for path in pathlib.Path(folder).iterdir()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path with the agent's own arguments and environment."""

    def do_GET(self) -> None:
        facts = {"argv": sys.argv[1:], "env": dict(os.environ), "from": STARTED_FROM}
        body = json.dumps({**facts, "credentials": credentials()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


time.sleep(float(os.environ.get("TINY_START_SECONDS", "0")))
address = ("127.0.0.1", int(os.environ.get("TINY_PORT", "7070")))
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
