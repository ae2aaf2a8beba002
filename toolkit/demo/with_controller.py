"""The story of an agent that its controller enrolls, configures, and shows online."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit import stand_in_model
from toolkit.demo.steps import (
    Page,
    Row,
    Show,
    Shown,
    address_of,
    build_release,
    find_host,
    prove,
    publish_release,
    require_free_port,
    run_script,
)
from toolkit.demo_controller import Controller, Json, controller, find_program
from toolkit.errors import HostError
from toolkit.interruption import tidying
from toolkit.loopback import serve
from toolkit.render import RenderedFile
from toolkit.resources import agent_file
from toolkit.spec import AgentSpec

AGENT = "demo-agent"
PROMPT = "You are a demonstration. Say again what you are told."
ONLINE_SECONDS = 60


def has_controller(spec: AgentSpec) -> bool:
    """Tell whether an agent tells a controller that it lives."""
    return spec.health is not None and spec.health.controller is not None


@contextmanager
def with_controller(show: Show) -> Iterator[Shown]:
    """Build, publish, start a controller and a model, enroll, install, and verify.

    All of it runs until the block ends, and then is taken away. Raises ToolkitError where a step
    fails; what it had made is taken away all the same.
    """
    spec, tell = show.spec, show.tell
    find_program()
    require_free_port(spec)
    with tidying() as at_end:
        work = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="toolkit-demo-")))
        releases, public = _releases(show, work), work / "public"
        build_release(show, releases / "dist")
        publish_release(show, releases / "dist", public)
        store = at_end.enter_context(serve(public))
        tell.line(f"{store}/")
        tell.step("Start a controller, and a stand-in for a model")
        model = at_end.enter_context(stand_in_model.stand_in_model())
        tell.line(
            f"{model}/v1 speaks OpenAI's API and Anthropic's, and says again what it is asked"
        )
        running = at_end.enter_context(controller(work, releases))
        tell.line(f"{running.url}/ is the controller's fleet page")
        agent, script = _enrolled(show, running, store, model)
        host = find_host(show)
        at_end.callback(host.remove)
        tell.step(f"Install it there, by the controller's own {script.path}")
        run_script(show, host, script)
        _wait_until_online(show, running, agent)
        verdict = prove(show, host)
        page = _page(show, running, agent, work)
        commands = host.where_to_look(spec.service_name)
        yield Shown(verdict, address_of(spec), commands, page=page)


def _releases(show: Show, work: Path) -> Path:
    """Make the folder in which the controller finds what the release promises."""
    folder = work / "releases"
    folder.mkdir()
    name = show.spec.name
    shutil.copyfile(agent_file(name, show.project), folder / f"{name}.toml")
    return folder


def _enrolled(show: Show, running: Controller, store: str, model: str) -> tuple[str, RenderedFile]:
    """Make an agent in the controller; gives its id, and the install script with its secret."""
    spec, tell = show.spec, show.tell
    tell.step("Create an agent there: instruction, deployment, credentials")
    running.post("/configurations", {"key": "agent.download.baseUrl", "value": store})
    instruction = running.post("/instructions", {"name": "Echo", "systemPrompt": PROMPT})
    deployment = running.post("/deployments", deployment_of(spec, model))
    agent = running.post(
        "/agents",
        {
            "name": AGENT,
            "type": "autonomous",
            "release": spec.name,
            "instructionId": instruction["id"],
            "deploymentId": deployment["id"],
            "tags": ["demo"],
        },
    )
    made = running.post(f"/agents/{agent['id']}/regenerate-credentials", {})
    tell.line(
        f"{AGENT} ({agent['id']}), whose model is {deployment['provider']}/{stand_in_model.NAME}"
    )
    script = RenderedFile(f"install-{spec.name}.sh", made["installScript"], mode=0o600)
    return agent["id"], script


def deployment_of(spec: AgentSpec, model: str) -> Json:
    """Say how an agent asks the stand-in at `model`: by Anthropic's API where it knows no other."""
    known = {"name": "Stand-in", "model": stand_in_model.NAME}
    keys = set(spec.service.secret)
    if "ANTHROPIC_API_KEY" in keys and "OPENAI_API_KEY" not in keys:
        return {**known, "provider": "anthropic", "apiKey": "none", "apiEndpoint": model}
    return {**known, "provider": "local", "apiEndpoint": f"{model}/v1"}


def _wait_until_online(show: Show, running: Controller, agent: str) -> None:
    show.tell.step("Wait until the controller says that it is online")
    deadline = time.monotonic() + ONLINE_SECONDS
    while True:
        row = row_of(running.get(f"/agents/{agent}"))
        if row.liveness == "online" and row.version == show.spec.release_version:
            show.tell.line(f"{row.name} {row.version}: {row.liveness}")
            return
        if time.monotonic() > deadline:
            raise HostError(
                f"the agent was not online after {ONLINE_SECONDS} s",
                why=f"its controller says {row.liveness}, version {row.version or 'unknown'}\n"
                f"the end of the controller's log:\n{running.last_lines()}",
                hint="try again; docs/xora-agent.md says what it does when things fail",
            )
        time.sleep(0.2)


def row_of(agent: Json) -> Row:
    """Give the line of an agent out of what the controller's API tells of it."""
    return Row(
        agent["name"], agent["liveness"], agent["version"] or "", agent["lastHeartbeatAt"] or ""
    )


def _page(show: Show, running: Controller, agent: str, work: Path) -> Page:
    row = row_of(running.get(f"/agents/{agent}"))
    password = None
    if show.wishes.keep:
        password = work / "password"
        password.touch(mode=0o600, exist_ok=False)
        password.write_text(f"{running.password.reveal()}\n", encoding="utf-8")
    return Page(f"{running.url}/", running.email, row, password)
