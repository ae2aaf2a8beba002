"""A small agent of a controller: it connects, and sends heartbeats with its version."""

from __future__ import annotations

from pathlib import Path

from tests.support.releases import Released, build
from toolkit.spec import AgentSpec

PROGRAM = '''\
#!/usr/bin/env python3
"""Connects and sends heartbeats; the version that it says is {version}."""

import json
import os
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer


def call(path, body, token=""):
    address = os.environ["AIWM_BASE_URL"] + "/agents/" + os.environ["AIWM_AGENT_ID"] + path
    headers = {{"Content-Type": "application/json", "Authorization": "Bearer " + token}}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


if os.environ.get("PORT"):
    server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
token = ""
while True:
    try:
        if not token:
            token = call("/connect", {{"secret": os.environ["AIWM_AGENT_SECRET"]}})["accessToken"]
            print("connected", flush=True)
        call("/heartbeat", {{"status": "online", "version": "{said}"}}, token)
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        token = ""
    time.sleep(0.5)
'''


def build_beating(
    folder: Path, version: str = "1.0.0", *, said: str = "", **more: object
) -> Released:
    """Build a version of it; `said` is another version that its heartbeats name.

    `more` are keys of the release file in the place of those that stand here.
    """
    project = folder / f"{version}-{said}"
    (project / "agent").mkdir(parents=True)
    program = project / "agent" / "run"
    program.write_text(PROGRAM.format(version=version, said=said or version), "utf-8")
    program.chmod(0o755)
    spec = AgentSpec.model_validate(
        {
            "name": "beating",
            "title": "An agent that beats",
            "source": "agent",
            "version": version,
            "runtime": {"kind": "none"},
            "service": {
                "exec": ["/usr/bin/python3", "{current}/run"],
                "restart_delay": 1,
                "managers": ["systemd", "direct"],
                "required": ["AIWM_BASE_URL", "AIWM_AGENT_ID", "AIWM_AGENT_SECRET"],
                "secret": ["AIWM_AGENT_SECRET"],
            },
            "health": {"command": ["/bin/true"], "timeout": 20, "interval": 0.2, "watch": 1},
            **more,
        }
    )
    return build(spec, project, folder / "dist")
