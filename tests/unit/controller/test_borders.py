"""What one person or one caller can do to others, at the borders of what they may."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from pathlib import Path

import pytest
from aiwm_controller.agent_settings import redacted, unredacted
from aiwm_controller.limits import Guard, Message, Passing, Receive, Scope, Send, caller

from tests.support.aiwm import PASSWORD, Caller, Running, controller, sqlite_settings

OWNER = "organization.owner"


@pytest.fixture
def editor(running: Running) -> Caller:
    body = {"email": "ed@example.com", "role": "organization.editor", "password": PASSWORD}
    running.owner.ok("POST", "/users", body)
    login = {"email": body["email"], "password": PASSWORD}
    return running.as_(running.nobody.ok("POST", "/auth/login", login)["token"])


def test_nobody_gets_a_token_of_a_greater_role_than_theirs(
    running: Running, editor: Caller
) -> None:
    """An agent's token says its role, and other services believe it."""
    greater = {"name": "x", "type": "autonomous", "role": OWNER}
    assert editor.status("POST", "/agents", greater) == 403
    assert editor.status("POST", "/enrollment-tokens", {"name": "x", "agent": greater}) == 403
    own = f"/agents/{running.agent()['id']}"
    assert editor.status("PUT", own, {"role": OWNER}) == 403
    assert editor.status("PUT", own, {"role": "organization.editor"}) == 200
    theirs = f"/agents/{running.agent(role=OWNER)['id']}"
    assert editor.status("PUT", theirs, {"role": OWNER, "name": "as it is"}) == 200
    assert editor.status("POST", f"{theirs}/regenerate-credentials") == 403
    assert running.owner.status("POST", f"{theirs}/regenerate-credentials") == 200


def test_a_stranger_locks_no_host_out_that_asks_for_its_heartbeats(
    tmp_path: Path, made: Path
) -> None:
    shutil.copy(made, tmp_path)
    with controller(sqlite_settings(tmp_path, trusted_proxies="testclient")) as running:
        agent = running.agent()
        secret = running.credentials(agent["id"])["secret"]
        path = f"/agents/{agent['id']}/heartbeats"
        stranger, host = ({"X-Forwarded-For": each} for each in ("203.0.113.9", "198.51.100.7"))
        for _ in range(11):
            refused = running.as_("wrong").status("GET", path, headers=stranger)
        assert refused == 429
        assert running.as_(secret).status("GET", path, headers=host) == 200


@pytest.mark.parametrize("search", ["Ärger", "ärger", "ÉCLAIR", "éclair"])
def test_letters_that_ascii_does_not_have_are_found(running: Running, search: str) -> None:
    running.agent(name="Ärger auf ÉCLAIR")
    found = running.owner.ok("GET", "/agents", params={"search": search})
    assert found["pagination"]["total"] == 1


def test_secrets_in_lists_are_kept_by_who_sends_them_back() -> None:
    old = {"servers": [{"url": "a", "token": "one"}, {"url": "b", "token": "two"}]}
    shown = redacted(old)
    assert "one" not in str(shown)
    assert unredacted(shown, old) == old
    first, second = shown["servers"]
    assert unredacted({"servers": [second]}, old) == {"servers": [old["servers"][1]]}
    added = unredacted({"servers": [{"url": "new"}, first, second]}, old)
    assert added == {"servers": [{"url": "new"}, *old["servers"]]}
    renamed = unredacted({"servers": [{**first, "url": "c"}, second]}, old)
    assert renamed["servers"][0] == {"url": "c", "token": "one"}
    other = unredacted({"servers": [{"url": "evil", "token": "********"}]}, old)
    assert other == {"servers": [{"url": "evil"}]}, "a secret goes to no other entry"
    twins = {"servers": [{"token": "one"}, {"token": "two"}]}
    assert unredacted(redacted(twins), twins) == twins


def test_a_body_in_many_small_parts_takes_no_longer() -> None:
    left = iter([b"x"] * 60_000)
    sizes: list[int] = []

    async def receive() -> Message:
        part = next(left, b"")
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    async def app(_: Scope, given: Receive, __: Send) -> None:
        sizes.append(len((await given())["body"]))

    async def send(_: Message) -> None:
        raise AssertionError("nobody is answered")

    async def refuse(*_: object) -> None:
        raise AssertionError("nobody is refused")

    guard = Guard(app, 1 << 20, Passing(re.compile("none"), 1), refuse)
    headers = [(b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": headers}
    begin = time.monotonic()
    asyncio.run(guard(scope, receive, send))
    assert sizes == [60_000]
    assert time.monotonic() - begin < 5


def test_logins_are_counted_by_what_one_customer_has(tmp_path: Path, made: Path) -> None:
    shutil.copy(made, tmp_path)
    wrong = {"email": "owner@example.com", "password": "wrong"}
    with controller(sqlite_settings(tmp_path, trusted_proxies="testclient")) as running:

        def tried(address: str, number: int) -> int:
            headers = {"X-Forwarded-For": address}
            body = {**wrong, "email": f"{number}@example.com"}
            return running.nobody.status("POST", "/auth/login", body, headers=headers)

        assert [tried(f"2001:db8:1:2::{n}", n) for n in range(1, 12)] == [401] * 10 + [429]
        assert tried("2001:db8:1:3::1", 1) == 401
        assert tried("::ffff:192.0.2.1", 1) == 401


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_what_counts_as_one_caller(address: str, counted: str) -> None:
    assert caller(address) == counted


def test_a_mistyped_address_gives_a_page_to_people(running: Running) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    shown = running.nobody("GET", "/fleeet", headers=browser)
    assert (shown.status_code, shown.headers["content-type"][:9]) == (404, "text/html")
    assert "There is no such page" in shown.text
    assert "Content-Security-Policy" in shown.headers
    for headers in ({"Accept": "application/json, text/html"}, {"Accept": "*/*"}):
        told = running.nobody("GET", "/fleeet", headers=headers)
        assert (told.status_code, told.json()["statusCode"]) == (404, 404)
