"""The fleet page, as a person sees it in a real Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Page, browser
from tests.support.served import Server, command, serving

PASSWORD = "a long password"
ACCESSIBLE = (Path(__file__).parent / "accessible.js").read_text()
NAMES = ("billing-bot", "<b>support</b> & co", "crawler-" + "x" * 60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fleet")
    with serving(f"sqlite:///{folder}/controller.db", folder / "log") as found:
        command(
            *("user", "add", "--email", "ann@example.com", "--password-stdin"),
            database=found.database,
            stdin=PASSWORD,
        )
        yield found


@pytest.fixture(scope="module")
def fleet(server: Server) -> list[tuple[str, str]]:
    made = []
    for number, name in enumerate(NAMES):
        agent, _, token = server.connected(name)
        body: dict[str, object] = {
            "status": "busy" if number else "online",
            "version": f"1.{number}.0",
            "configVersion": 1,
            "metrics": {"cpu": 12 + number, "uptime": 3600},
            "lastUpgrade": {
                "outcome": "reverted" if number == 1 else "committed",
                "version": "1.1.0",
                "why": "the health gate did not hold" if number == 1 else "",
            },
        }
        server.call("POST", f"/agents/{agent}/heartbeat", body, token)
        server.call("PUT", f"/agents/{agent}", {"tags": ["prod", f"zone-{number}"]})
        made.append((agent, token))
    server.call("PUT", f"/agents/{made[2][0]}", {"settings": {"maxTurns": 3}})
    server.call("POST", f"/agents/{made[2][0]}/disconnect", {"reason": "shutdown"}, made[2][1])
    server.call("POST", "/agents", {"name": "new one", "type": "autonomous"})
    return made


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path) as found:
        found.look(width=1280, height=800, scheme="light")
        yield found


def log_in(page: Page, server: Server) -> None:
    """Log in by keyboard alone."""
    page.open(f"{server.url}/")
    page.wait("document.querySelector('input[name=password]')")
    assert page.focused() == "email"
    page.write("ann@example.com")
    page.press("Tab")
    assert page.focused() == "password"
    page.write(PASSWORD)
    page.press("Enter", "\r")
    page.wait("document.querySelector('#live')")


def shot(page: Page, tmp_path: Path, name: str) -> None:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    page.shoot(folder / f"{name}.png")


def test_a_person_sees_the_fleet(
    page: Page, server: Server, fleet: list[tuple[str, str]], tmp_path: Path
) -> None:
    log_in(page, server)
    text = page.run("document.querySelector('#live').innerText")
    assert all(name in text for name in NAMES), "names are text and no markup"
    assert "upgrade reverted" in text
    rows = "[...document.querySelectorAll('tbody th a')].map(each => each.innerText)"
    order = [NAMES[2], NAMES[1], "new one", NAMES[0]]
    assert page.run(rows) == order, "gone, then an upgrade that failed, then never heard of"
    shot(page, tmp_path, "fleet-light")
    page.look(width=1280, height=800, scheme="dark")
    shot(page, tmp_path, "fleet-dark")
    for scheme in ("light", "dark"):
        page.look(width=390, height=844, scheme=scheme, mobile=True)
        wide = page.run("document.documentElement.scrollWidth")
        assert wide <= 390, f"a phone would scroll sideways: {wide}"
        shot(page, tmp_path, f"fleet-phone-{scheme}")
    assert page.complaints == []


def test_the_page_is_live_and_keeps_the_focus(
    page: Page, server: Server, fleet: list[tuple[str, str]]
) -> None:
    log_in(page, server)
    agent, token = fleet[0]
    page.run(f"document.getElementById('agent-{agent}').focus()")
    body = {"status": "online", "version": "9.9.9"}
    server.call("POST", f"/agents/{agent}/heartbeat", body, token)
    page.wait("document.querySelector('#live').innerText.includes('9.9.9')")
    assert page.focused() == f"agent-{agent}"
    page.press("Enter", "\r")
    page.wait("document.querySelector('dl.facts')")
    assert "agent connected" in page.run("document.body.innerText")


def test_one_agents_history(
    page: Page, server: Server, fleet: list[tuple[str, str]], tmp_path: Path
) -> None:
    log_in(page, server)
    page.open(f"{server.url}/fleet/agents/{fleet[1][0]}")
    text = page.run("document.body.innerText")
    assert "the health gate did not hold" in text
    assert "cpu 13" in text
    shot(page, tmp_path, "agent-light")
    page.look(width=390, height=844, scheme="dark", mobile=True)
    assert page.run("document.documentElement.scrollWidth") <= 390
    shot(page, tmp_path, "agent-phone-dark")
    assert page.complaints == []


def test_filters(page: Page, server: Server, fleet: list[tuple[str, str]]) -> None:
    log_in(page, server)
    page.open(f"{server.url}/?search=BILLING")
    assert page.run("document.querySelectorAll('tbody tr').length") == 1
    page.open(f"{server.url}/?liveness=never")
    assert page.run("document.querySelector('tbody th').innerText") == "new one"
    page.open(f"{server.url}/?tag=zone-2&version=1.2.0")
    assert page.run("document.querySelectorAll('tbody tr').length") == 1
    page.open(f"{server.url}/?search=nothing")
    assert "No agent fits these filters" in page.run("document.body.innerText")


def test_filters_by_keyboard_need_no_new_page(
    page: Page, server: Server, fleet: list[tuple[str, str]], tmp_path: Path
) -> None:
    log_in(page, server)
    page.run("window.stays = true")
    page.run("document.querySelector('input[name=search]').focus()")
    page.write("billing")
    page.wait("document.querySelectorAll('tbody tr').length === 1")
    assert page.focused() == "search"
    assert page.run("location.search") == "?search=billing"
    assert page.run("document.getElementById('said').innerText").startswith("1 agent fits.")
    page.run("document.querySelector('input[name=search]').value = ''")
    page.press("Tab")
    assert page.focused() == "liveness"
    page.press("ArrowDown")
    page.wait("document.querySelector('tbody .state').innerText === 'offline'")
    assert page.focused() == "liveness", "an arrow key takes nobody elsewhere"
    assert page.run("window.stays") is True
    server.call("POST", "/agents", {"name": "not shown", "type": "autonomous"})
    page.run("update()")
    page.wait("document.querySelector('#count-never b').innerText === '2'")
    assert page.run("document.querySelectorAll('tbody tr').length") == 1, "the filter stays"
    page.open(f"{server.url}{page.run('location.pathname + location.search')}")
    assert page.run("document.querySelector('select[name=liveness]').value") == "offline"
    assert page.run("document.getElementById('clear').hidden") is False


def test_everybody_can_use_the_pages(
    page: Page, server: Server, fleet: list[tuple[str, str]]
) -> None:
    page.open(f"{server.url}/login")
    assert page.run(ACCESSIBLE) == []
    log_in(page, server)
    for path in ("/", "/?search=nothing", f"/fleet/agents/{fleet[1][0]}", "/fleet/agents/none"):
        for scheme in ("light", "dark"):
            for width in (390, 1280):
                page.look(width=width, height=844, scheme=scheme, mobile=width < 400)
                page.open(f"{server.url}{path}")
                assert page.run(ACCESSIBLE) == [], f"{path} {scheme} {width}"
    page.open(f"{server.url}/")
    page.run("document.activeElement.blur()")
    seen = []
    for _ in range(40):
        page.press("Tab")
        ring = page.run("getComputedStyle(document.activeElement).outlineStyle")
        seen.append(page.focused())
        assert ring != "none", f"no ring around {seen[-1]}"
        if seen[-1] == f"agent-{fleet[0][0]}":
            break
    assert seen[0] == "Skip to the content"
    assert {"search", "liveness", "tag", "version", "Filter", "count-offline"} <= set(seen)
    assert seen[-1] == f"agent-{fleet[0][0]}", "each agent is reached by keyboard"


def test_an_older_page_of_a_history(page: Page, server: Server) -> None:
    agent, _, token = server.connected("long-lived")
    for number in range(55):
        body = {"status": "online", "version": f"0.0.{number}"}
        server.call("POST", f"/agents/{agent}/heartbeat", body, token)
    log_in(page, server)
    page.open(f"{server.url}/fleet/agents/{agent}")
    assert page.run("document.querySelectorAll('section tbody')[0].rows.length") == 50
    page.run("document.getElementById('page-older').click()")
    page.wait("document.body.innerText.includes('Page 2 of 2')")
    assert page.run("document.querySelectorAll('section tbody')[0].rows.length") == 5
    page.run("update()")
    page.wait("document.querySelector('section tbody').rows.length === 5")
    server.call("DELETE", f"/agents/{agent}")


def test_a_wrong_password_and_logging_out(page: Page, server: Server, tmp_path: Path) -> None:
    page.open(f"{server.url}/login")
    page.write("ann@example.com")
    page.press("Tab")
    page.write("wrong")
    page.press("Enter", "\r")
    page.wait("document.querySelector('[role=alert]')")
    shot(page, tmp_path, "login")
    log_in(page, server)
    cookie = page.send("Network.getCookies")["cookies"][0]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.run("document.querySelector('header button').click()")
    page.wait("document.querySelector('input[name=password]')")
    page.open(f"{server.url}/")
    page.wait("document.querySelector('input[name=password]')")
