"""The link with the controller, by a controller that is a script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from xora_agent.controller import Controller
from xora_agent.errors import ControllerError, Missing, Refused, SettingError, Unreachable
from xora_agent.link import Link
from xora_agent.meters import Meters
from xora_agent.own import Account, Times
from xora_agent.secret import Secret
from xora_agent.ways import Applied, State, Ways
from xora_agent.wire import Acknowledged, Configuration, Connection

GONE = Unreachable("gone")


@dataclass
class Scripted:
    """Answers connects and heartbeats by what stands in the lists, the last one again and again."""

    connects: list[object] = field(default_factory=lambda: [connection()])
    beats: list[object] = field(default_factory=lambda: [Acknowledged()])
    configs: list[object] = field(default_factory=lambda: [Configuration()])
    log: list[str] = field(default_factory=list)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)

    async def connect(self) -> Connection:
        return cast(Connection, self._next("connect", self.connects))

    async def config(self, token: Secret) -> Configuration:
        return cast(Configuration, self._next(f"config {token.value}", self.configs))

    async def heartbeat(self, token: Secret, body: Mapping[str, Any]) -> Acknowledged:
        self.bodies.append(body)
        return cast(Acknowledged, self._next(f"beat {token.value}", self.beats))

    async def disconnect(self, token: Secret, reason: str) -> None:
        self.log.append(f"disconnect {token.value} {reason}")

    async def close(self) -> None:
        self.log.append("close")

    def _next(self, what: str, script: list[object]) -> object:
        self.log.append(what)
        found = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(found, ControllerError):
            raise found
        return found


def connection(token: str = "t1", version: int | None = 1, seconds: float = 1000) -> Connection:
    body = {"accessToken": token, "configVersion": version, "expiresIn": seconds}
    return Connection.model_validate(body)


def configuration(version: int) -> Configuration:
    return Configuration.model_validate({"configVersion": version})


@dataclass
class Bench:
    """A link under test, and what it applied."""

    controller: Scripted
    times: Times = field(
        default_factory=lambda: Times(backoff=0.01, retry=0.05, refresh=1000, heartbeat=0.02)
    )
    applied: list[Configuration | None] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    secret: str = "s1"
    opened: list[Account] = field(default_factory=list)
    meters: Meters = field(default_factory=Meters)

    def link(self) -> Link:
        def open_(account: Account) -> Controller:
            self.opened.append(account)
            return cast(Controller, self.controller)

        async def apply(answer: Configuration | None, token: Secret | None) -> Applied:
            if answer is not None and answer.config_version in self.refused:
                raise SettingError("refused", why="it is so")
            self.applied.append(answer)
            return Applied(True, ("a note",))

        return Link(
            Ways(
                account=lambda: Account("http://localhost", "1", Secret(self.secret)),
                open=open_,
                apply=apply,
                beat=lambda: {"status": "online"},
                meters=self.meters,
                times=self.times,
                spread=lambda low, high: high,
            )
        )

    def play(self, holds: Callable[[Link], object], then: Then | None = None) -> Link:
        """Run until something holds, then do what comes then."""

        async def run() -> Link:
            link = self.link()
            task = asyncio.create_task(link.run())
            try:
                await asyncio.wait_for(self._until(link, task, holds), 5)
                if then is not None:
                    await asyncio.wait_for(then(link), 5)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await link.close("shutdown")
            return link

        return asyncio.run(run())

    async def _until(
        self, link: Link, task: asyncio.Task[None], holds: Callable[[Link], object]
    ) -> None:
        while not holds(link):
            assert not task.done(), task.exception()
            await asyncio.sleep(0.002)

    def count(self, what: str) -> int:
        return sum(each.startswith(what) for each in self.controller.log)

    def meter(self, name: str) -> float:
        value = self.meters.registry.get_sample_value(f"aiwm_{name}_total")
        assert value is not None
        return value


Then = Callable[[Link], Awaitable[object]]


def test_it_connects_beats_and_says_goodbye() -> None:
    bench = Bench(Scripted())
    link = bench.play(lambda link: bench.count("beat") >= 3)
    assert link.state is State.CONNECTED
    assert bench.controller.log[0] == "connect"
    assert bench.controller.log[-2:] == ["disconnect t1 shutdown", "close"]
    assert bench.controller.bodies[0] == {"status": "online", "configVersion": 1}
    assert (bench.meter("connection_success"), bench.meter("config_update")) == (1, 1)
    assert bench.meter("heartbeat_success") >= 3


def test_three_more_tries_before_local_files() -> None:
    bench = Bench(Scripted(connects=[GONE, GONE, GONE, GONE, connection()]))
    link = bench.play(lambda link: bench.applied)
    assert bench.applied == [None]
    assert link.state is State.FALLBACK
    assert bench.count("connect") == 4
    assert bench.meter("connection_failure") == 4


def test_local_files_until_it_is_taken() -> None:
    bench = Bench(Scripted(connects=[Refused("no"), Refused("no"), connection()]))
    bench.play(lambda link: link.state is State.CONNECTED)
    assert bench.applied[:2] == [None, None]
    assert bench.applied[2] is not None
    assert bench.count("connect") == 3


def test_a_refused_token_is_renewed_at_once_and_beats_go_on() -> None:
    beats: list[object] = [Acknowledged(), Refused("expired"), Acknowledged()]
    bench = Bench(Scripted(connects=[connection("t1"), connection("t2")], beats=beats))
    bench.play(lambda link: bench.count("beat t2") >= 2)
    assert bench.count("connect") == 2
    assert bench.meter("token_refresh") == 0
    assert None not in bench.applied


def test_a_refused_agent_keeps_its_configuration_and_does_not_beat() -> None:
    script = Scripted(connects=[connection(), Refused("suspended")], beats=[Refused("suspended")])
    bench = Bench(script)
    link = bench.play(lambda link: bench.count("connect") >= 4)
    assert link.state is State.FALLBACK
    assert bench.applied == [connection()]
    # One when it was new, one when it was refused.
    assert bench.count("beat") <= 2


def test_a_removed_agent_does_not_beat_and_comes_back_where_it_may() -> None:
    beats: list[object] = [Missing("none"), Acknowledged()]
    bench = Bench(Scripted(connects=[connection(), Missing("none"), connection("t2")], beats=beats))
    states: list[State] = []

    def holds(link: Link) -> bool:
        states.append(link.state)
        return bench.count("beat t2") > 0

    bench.play(holds)
    assert State.REMOVED in states
    assert bench.count("beat t1") == 1


def test_a_heartbeat_that_fails_is_tried_by_the_next() -> None:
    bench = Bench(Scripted(beats=[GONE, GONE, Acknowledged()]))
    link = bench.play(lambda link: bench.meter("heartbeat_success") >= 1)
    assert link.state is State.CONNECTED
    assert (bench.meter("heartbeat_failure"), bench.count("connect")) == (2, 1)


def test_a_token_is_renewed_and_one_that_still_holds_is_kept() -> None:
    times = Times(backoff=0.01, retry=0.03, refresh=0.05, heartbeat=0.02)
    connects: list[object] = [connection("t1"), *[GONE] * 4, connection("t2")]
    bench = Bench(Scripted(connects=connects), times)
    link = bench.play(lambda link: bench.count("beat t2"))
    assert link.state is State.CONNECTED
    assert bench.meter("token_refresh") >= 1
    assert None not in bench.applied
    gone = bench.controller.log.index("connect", 1)
    assert "beat t1" in bench.controller.log[gone:]


def test_it_is_renewed_at_95_percent_of_its_time_and_after_23_hours() -> None:
    for seconds, expected in ((86_400.0, 81_000.0 * 1.0), (1000.0, 950.0), (1.0, 5.0)):
        times = Times(backoff=0.01, retry=1, refresh=81_000, heartbeat=60)
        bench = Bench(Scripted(connects=[connection(seconds=seconds)]), times)
        due: list[float] = []

        async def look(link: Link, due: list[float] = due) -> None:
            due.append(link._due - asyncio.get_running_loop().time())

        bench.play(lambda link: link.state is State.CONNECTED and link._due, look)
        assert due[0] == pytest.approx(expected, abs=1)


def test_a_newer_configuration_is_fetched_and_acknowledged_by_the_next_beat() -> None:
    newer = Acknowledged.model_validate({"configVersion": 2})
    bench = Bench(Scripted(beats=[newer], configs=[configuration(2)]))
    bench.play(lambda link: bench.controller.bodies and bench.controller.bodies[-1] == _seen(2))
    assert bench.count("config") == 1
    assert bench.meter("config_update") == 2


def _seen(version: int) -> dict[str, object]:
    return {"status": "online", "configVersion": version}


def test_a_configuration_that_is_refused_is_not_acknowledged_nor_fetched_again() -> None:
    newer = Acknowledged.model_validate({"configVersion": 2})
    bench = Bench(Scripted(beats=[newer], configs=[configuration(2)]), refused={2})
    link = bench.play(lambda link: link.config_error and bench.count("beat") > 5)
    assert bench.controller.bodies[-1] == _seen(1)
    assert bench.count("config") == 1
    assert link.config_error == "refused: it is so"


def test_a_configuration_that_does_not_come_is_fetched_later() -> None:
    newer = Acknowledged.model_validate({"configVersion": 2})
    bench = Bench(Scripted(beats=[newer], configs=[*[GONE] * 4, configuration(2)]))
    bench.play(lambda link: link.config_version == 2)
    assert bench.count("config") == 5


def test_a_controller_of_old_never_asks_for_a_reload() -> None:
    bench = Bench(Scripted(connects=[connection(version=None)]))
    bench.play(lambda link: bench.count("beat") >= 3)
    assert bench.count("config") == 0
    assert "configVersion" not in bench.controller.bodies[-1]


def test_a_command_reloads() -> None:
    bench = Bench(Scripted(configs=[configuration(1)]))

    async def reload(link: Link) -> None:
        assert await link.reload() == Applied(True, ("a note",))

    bench.play(lambda link: link.state is State.CONNECTED, reload)
    assert bench.count("config t1") == 1


def test_a_command_connects_where_there_is_no_connection() -> None:
    times = Times(backoff=0.01, retry=1000, refresh=1000, heartbeat=0.02)
    bench = Bench(Scripted(connects=[Refused("no"), Refused("still"), connection()]), times)

    async def reload(link: Link) -> None:
        with pytest.raises(Refused, match="still"):
            await link.reload()
        assert await link.reload()

    bench.play(lambda link: bench.applied, reload)
    assert bench.count("config") == 0


def test_a_command_with_a_token_that_is_refused_connects_anew() -> None:
    times = Times(backoff=0.01, retry=1000, refresh=1000, heartbeat=1000)
    script = Scripted(connects=[connection(), connection("t2")], configs=[Refused("expired")])
    bench = Bench(script, times)

    async def reload(link: Link) -> None:
        assert await link.reload()

    bench.play(lambda link: link.state is State.CONNECTED, reload)
    assert bench.count("connect") == 2


def test_a_new_secret_is_taken_without_a_restart() -> None:
    bench = Bench(Scripted(connects=[Refused("no"), connection("t2")]))

    async def change(link: Link) -> None:
        bench.secret = "s2"
        assert await link.reload()

    bench.play(lambda link: bench.applied, change)
    assert [account.secret.value for account in bench.opened] == ["s1", "s2"]


def test_the_first_tries_are_not_all_agents_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(Scripted(connects=[GONE, GONE, Unreachable("later", after=5), connection("t1")]))
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds > 0:
            pauses.append(seconds)
        await sleep(0.001)

    monkeypatch.setattr(asyncio, "sleep", noted)
    bench.play(lambda link: bench.count("beat t1"))
    assert {0.015, 0.03, 7.5} <= set(pauses)  # half of it more than 0.01, 0.02 and 5
