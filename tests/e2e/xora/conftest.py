"""A controller with SQLite, an agent of it, and what tests of the brains share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.models.fixtures import alone, models, tools
from tests.support.served import Server, serving

__all__ = ["alone", "models", "tools"]

Json = dict[str, Any]


@dataclass
class Managed:
    """An agent as the controller has it, and its folder."""

    server: Server
    home: Path
    id: str = ""
    secret: str = field(default="", repr=False)

    def make(self, **fields: Any) -> None:
        made = self.server.call(
            "POST", "/agents", {"name": "Support", "type": "autonomous", **fields}
        )
        self.id = made["id"]
        self.rotate()
        self.write()

    def rotate(self) -> None:
        path = f"/agents/{self.id}/regenerate-credentials"
        self.secret = self.server.call("POST", path)["secret"]

    def write(self, **more: str) -> None:
        variables = {
            "AIWM_ENABLED": "true",
            "AIWM_BASE_URL": self.server.url,
            "AIWM_AGENT_ID": self.id,
            "AIWM_AGENT_SECRET": self.secret,
            **more,
        }
        text = "".join(f"{name}='{value}'\n" for name, value in variables.items())
        (self.home / ".env").write_text(text)

    def shown(self) -> Json:
        found: Json = self.server.call("GET", f"/agents/{self.id}")
        return found

    def change(self, **fields: Any) -> None:
        self.server.call("PUT", f"/agents/{self.id}", fields)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("controller")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIWM_NEXT_HEARTBEAT", "1")
        patch.setenv("AIWM_PRIVATE_ENDPOINTS", "127.0.0.0/8")
        with serving(f"sqlite:///{folder}/controller.db", folder / "log") as found:
            yield found


@pytest.fixture
def managed(server: Server, tmp_path: Path) -> Managed:
    """Give what makes an agent."""
    home = tmp_path / "home"
    home.mkdir()
    if server.process is None or server.process.poll() is not None:
        server.start()
    return Managed(server, home)
