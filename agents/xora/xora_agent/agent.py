"""The agent as a whole: starts, becomes what it is told to be, and goes in good order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xora_agent import release, report
from xora_agent.brain import Brain, Mind
from xora_agent.chat import Chat, Commands
from xora_agent.configuration import Kind, Sources, Wanted, wanted
from xora_agent.controller import Controller
from xora_agent.environment import Environment, read_text
from xora_agent.errors import FileError, SettingError, XoraError
from xora_agent.guard import bounded, guarded
from xora_agent.health import Health
from xora_agent.link import Applied, Link, Ways
from xora_agent.logs import Scrubber, log, told
from xora_agent.meters import Activity, Meters
from xora_agent.own import Account, Own, own
from xora_agent.platforms import Maker, Platforms
from xora_agent.report import Facts
from xora_agent.secret import Secret
from xora_agent.wire import Configuration

INSTRUCTION = "instruction.md"
MCP_FILE = "./mcp-servers.json"


@dataclass(frozen=True)
class Parts:
    """What an agent is made of: which one it is, who answers, and what connects to people."""

    kind: Kind
    brain: Brain
    makers: Mapping[str, Maker]


@dataclass(frozen=True)
class Place:
    """Where an agent runs: its folder, its variables, and what keeps secrets out of its logs."""

    home: Path
    environment: Environment
    scrubber: Scrubber


class Agent:
    """One agent; to be made within a running event loop."""

    def __init__(self, parts: Parts, place: Place) -> None:
        self._parts, self._place = parts, place
        self._own = own(place.environment.read())
        self._version = release.running_version(self._own.release_version, place.home)
        self._meters, self._activity = Meters(), Activity()
        commands = Commands(
            reload=self._reload_by_command,
            status=lambda: report.status(self._facts(), self._activity.messages),
            is_ready=lambda: self._mind is not None,
        )
        self._chat = Chat(parts.brain, self._activity, commands)
        self._platforms = Platforms(parts.makers, self._chat.receive)
        self._health = Health(lambda: report.health(self._facts()), self._meters.text)
        self._applying = asyncio.Lock()
        self._link: Link | None = None
        self._mind: Mind | None = None
        self._wanted: Wanted | None = None
        self._error = ""
        self._began = False

    async def start(self) -> int:
        """Tell health, and say who this is; gives the port. Raises SettingError."""
        mine = self._own
        log.info(
            "starting",
            agent=self._parts.kind.value,
            version=self._version,
            controller=mine.account.base_url if mine.account else None,
            secret=str(mine.account.secret) if mine.account else None,
        )
        port = await self._health.start(mine.health_host, mine.health_port)
        if mine.account is not None:
            self._link = Link(self._ways(mine))
        return port

    async def run(self) -> None:
        """Work until cancelled."""
        if self._link is None:
            await self._work_alone()
        while self._link is not None:
            try:
                await guarded(self._link.run(), "keeping the connection")
            except XoraError:  # logged whole already; all of it begins anew
                await asyncio.sleep(self._own.times.retry)

    async def _work_alone(self) -> None:
        try:
            await self._apply(None, None)
        except XoraError as error:
            log.error("the local configuration can't be used", **told(error))
        await asyncio.Event().wait()

    async def close(self, reason: str) -> None:
        """Go: tell the controller, keep what was said, and leave the platforms."""
        whole = self._own.times.shutdown
        await bounded(self._chat.close(), whole / 5, "leaving what waits")
        if self._link is not None:
            await bounded(self._link.close(reason), whole / 5, "telling the controller goodbye")
        await bounded(self._parts.brain.save(), whole / 5, "keeping conversations")
        await bounded(self._platforms.stop(), whole / 5, "leaving platforms")
        await bounded(self._parts.brain.close(), whole / 5, "ending the brain")
        await self._health.stop()
        log.info("stopped", reason=reason, **self._activity.metrics())

    async def reload(self) -> Applied:
        """Fetch and use the newest configuration, or local files without a controller."""
        if self._link is not None:
            return await self._link.reload()
        return await self._apply(None, None)

    # What the link asks for.

    def _ways(self, mine: Own) -> Ways:
        return Ways(
            account=self._account,
            open=lambda account: Controller(account, mine.times.timeout),
            apply=self._apply,
            beat=self._beat,
            meters=self._meters,
            times=mine.times,
        )

    def _account(self) -> Account:
        """Give who the agent is, as .env says now."""
        account = own(self._place.environment.read()).account
        if account is None:
            raise SettingError(
                "AIWM_ENABLED is false now", hint="restart the agent to work without a controller"
            )
        self._place.scrubber.hide(account.secret)
        return account

    def _beat(self) -> Mapping[str, Any]:
        upgrade = release.last_upgrade(self._place.home)
        return {
            "status": self._activity.status,
            "version": self._version,
            "metrics": self._activity.metrics(),
            **({"lastUpgrade": upgrade} if upgrade else {}),
        }

    async def _apply(self, answer: Configuration | None, token: Secret | None) -> Applied:
        """Become what a configuration says; raises XoraError, and stays what it was."""
        async with self._applying:
            try:
                applied = await self._become(wanted(self._sources(answer, token)), token)
            except XoraError as error:
                self._error = f"{error}: {error.why}" if error.why else str(error)
                raise
            finally:
                self._began = True
            self._error = ""
        return applied

    async def _become(self, new: Wanted, token: Secret | None) -> Applied:
        self._hide(new, token)
        for problem in new.problems:
            log.error("a part of the configuration is left out", why=problem)
        before = self._wanted
        note = await self._think(new.mind)
        self._wanted = new
        reconnected = self._platforms.want(new.platforms)
        notes = [note] if note else []
        if before is not None:
            notes += [f"{name} connects anew" for name in reconnected if name in new.platforms]
            notes += [f"{name} is left" for name in reconnected if name not in new.platforms]
        changed = before is None or bool(reconnected) or _plain(before) != _plain(new)
        return Applied(changed, tuple(notes))

    async def _think(self, mind: Mind) -> str | None:
        """Give the brain its mind, or renewed tokens alone where nothing else changed."""
        brain, before = self._parts.brain, self._mind
        note = None
        if before is not None and _without_tokens(before) == _without_tokens(mind):
            if before != mind:
                renewing = brain.renew(mind.mcp_servers, mind.model)
                await guarded(renewing, "renewing the brain's tokens")
        else:
            note = await guarded(brain.configure(mind), "configuring the brain")
        self._mind = mind
        if note:
            log.info(note)
            await self._chat.announce(note)
        return note

    def _sources(self, answer: Configuration | None, token: Secret | None) -> Sources:
        env = self._place.environment.read()
        if self._place.environment.trouble:
            log.warning("not all variables are known", why=self._place.environment.trouble)
        mine = own(env)
        local = answer is None
        mcp_name = env.get("MCP_CONFIG_FILE", MCP_FILE)
        mcp_file = self._local(mcp_name) if mcp_name else None
        return Sources(
            self._parts.kind,
            env,
            mine.name,
            mine.allow_http,
            answer,
            token,
            self._local(INSTRUCTION) if local else None,
            mcp_file,
        )

    def _local(self, name: str) -> str | None:
        try:
            return read_text(self._place.home / name)
        except FileError as error:
            log.error("a local file is left out", **told(error))
            return None

    def _hide(self, new: Wanted, token: Secret | None) -> None:
        mind = new.mind
        self._place.scrubber.hide(token, mind.oauth_token, mind.model.key if mind.model else None)
        self._place.scrubber.hide(*(access.token for access in new.platforms.values()))
        for server in mind.mcp_servers:
            for value in server.headers.values():
                self._place.scrubber.hide(value, Secret(value.value.split(" ")[-1]))

    # What people are told.

    async def _reload_by_command(self) -> str:
        try:
            applied = await self.reload()
        except XoraError as error:
            log.error("not reloaded", **told(error))
            return f"I could not reload: {error.message}. I go on as before."
        said = "Reloaded." if applied.changed else "Nothing has changed."
        return "\n".join([said, *applied.notes])

    def _facts(self) -> Facts:
        return Facts(
            name=self._wanted.name if self._wanted else self._parts.kind.value,
            version=self._version,
            uptime=self._activity.uptime,
            began=self._began,
            mind=self._mind,
            error=self._error,
            link=self._link,
            platforms=self._platforms.report(),
        )


def _without_tokens(mind: Mind) -> Mind:
    """Give a mind with what is renewed from time to time taken out."""
    servers = tuple(
        replace(server, headers={name: Secret("") for name in server.headers})
        for server in mind.mcp_servers
    )
    model = mind.model
    if model is not None and model.key is not None:
        model = replace(model, key=Secret(""))
    return replace(mind, mcp_servers=servers, model=model)


def _plain(new: Wanted) -> Wanted:
    return replace(new, mind=_without_tokens(new.mind))
