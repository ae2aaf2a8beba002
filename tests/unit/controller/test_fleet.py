"""The fleet page's rules: who sees it, and whose forms it takes."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from aiwm_controller.fleet.rows import ago

from tests.support.aiwm import PASSWORD, Running, controller, prepare, sqlite_settings


def session(running: Running, email: str = "owner@example.com") -> str:
    answer = running.client.post(
        "/login", data={"email": email, "password": PASSWORD}, follow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    return str(answer.cookies["aiwm_session"])


def get(running: Running, path: str, cookie: str) -> str:
    running.client.cookies.clear()
    answer = running.client.get(path, headers={"Cookie": f"aiwm_session={cookie}"})
    return str(answer.text)


def test_an_organization_sees_its_own_agents_alone(running: Running) -> None:
    agent = running.agent(name="mine alone")
    body = {"email": "two@example.com", "password": PASSWORD, "role": "organization.viewer"}
    running.stranger.ok("POST", "/users", body)
    cookie = session(running)
    assert "mine alone" in get(running, "/", cookie)
    assert "mine alone" in get(running, f"/fleet/agents/{agent['id']}", cookie)
    other = session(running, "two@example.com")
    one = f"/fleet/agents/{agent['id']}"
    for path in ("/", "/fleet/rows", "/?search=mine", one, f"{one}/live"):
        assert "mine alone" not in get(running, path, other)


def test_a_session_is_no_token_and_a_token_no_session(running: Running) -> None:
    cookie = session(running)
    assert running.as_(cookie).status("GET", "/agents") == 401
    running.client.cookies.clear()
    answer = running.client.get(
        "/",
        headers={"Cookie": f"aiwm_session={running.owner.token}"},
        follow_redirects=False,
    )
    assert answer.status_code == 303


def test_forms_of_other_sites_are_refused(running: Running) -> None:
    form = {"email": "owner@example.com", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert running.client.post("/login", data=form, headers=headers).status_code == 403
    cookie = {"Cookie": f"aiwm_session={session(running)}"}
    running.client.cookies.clear()
    answer = running.client.post("/logout", data={"csrf": "guessed"}, headers=cookie)
    assert answer.status_code == 403


def test_forms_of_its_own_pages_are_taken_at_the_public_address(tmp_path: Path) -> None:
    settings = sqlite_settings(tmp_path, public_url="https://aiwm.example.com")
    prepare(settings)
    form = {"email": "owner@example.com", "password": PASSWORD}
    with controller(settings) as running:
        # A browser names its page's origin only where the page lets it.
        assert running.client.get("/login").headers["Referrer-Policy"] == "same-origin"
        for origin, status in (("https://aiwm.example.com", 303), ("null", 403)):
            answer = running.client.post(
                "/login", data=form, headers={"Origin": origin}, follow_redirects=False
            )
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [("running", False), ("installing", False), ("reverted", True), ("failed", True)],
)
def test_only_an_upgrade_that_failed_needs_a_look(
    running: Running, outcome: str, shown: bool
) -> None:
    agent, it = running.connected()
    body = {"status": "online", "lastUpgrade": {"outcome": outcome, "version": "1.0.0"}}
    it.ok("POST", f"/agents/{agent['id']}/heartbeat", body)
    assert (f"upgrade {outcome}" in get(running, "/", session(running))) is shown


def test_names_are_escaped(running: Running) -> None:
    running.agent(name="<script>alert(1)</script>")
    text = get(running, "/", session(running))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ({"seconds": 5}, "5 s ago"),
        ({"seconds": 119}, "119 s ago"),
        ({"minutes": 2}, "2 min ago"),
        ({"hours": 47}, "47 h ago"),
        ({"days": 3}, "3 d ago"),
        ({"seconds": -9}, "0 s ago"),
    ],
)
def test_ago(running: Running, time: dict[str, float], said: str) -> None:
    now = running.watch.now
    assert ago(now - timedelta(**time), now) == said


def test_times_say_their_zone(running: Running) -> None:
    agent, caller = running.connected()
    caller.ok("POST", f"/agents/{agent['id']}/heartbeat", {"status": "online"})
    shown = get(running, f"/fleet/agents/{agent['id']}", session(running))
    times = re.findall(r"<time [^>]*>([^<]*)</time>", shown)
    assert len(times) >= 2
    assert all(re.fullmatch(r"[0-9-]{10} [0-9:]{8} UTC", each) for each in times)
