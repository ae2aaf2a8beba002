"""Who looks at the pages: a session in a cookie, and forms that only our own pages send."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from aiwm_controller.access import Person, person_of
from aiwm_controller.errors import Fault, Forbidden, Unauthorized
from aiwm_controller.state import state_of
from aiwm_controller.templates import render

COOKIE = "aiwm_session"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    # Not no-referrer: with that, browsers send our own forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Visitor:
    """Somebody who is logged in, and what their forms must carry."""

    person: Person
    csrf: str


class LoginNeeded(Fault):
    """Nobody is logged in."""

    status = 303


async def visitor(request: Request) -> Visitor:
    """Give who is logged in; raises Unauthorized."""
    state = state_of(request)
    cookie = request.cookies.get(COOKIE, "")
    if not cookie:
        raise LoginNeeded("log in", headers={"Location": f"{state.settings.path_prefix}/login"})
    try:
        person = await person_of(state, state.tokens.verify(cookie, "session"))
    except Unauthorized as error:
        location = {"Location": f"{state.settings.path_prefix}/login"}
        raise LoginNeeded("log in again", headers=location) from error
    return Visitor(person, _csrf(cookie))


Seen = Annotated[Visitor, Depends(visitor)]


def _csrf(cookie: str) -> str:
    return hashlib.sha256(f"csrf {cookie}".encode()).hexdigest()


def same_origin(request: Request) -> None:
    """Raise Forbidden where another site's page sends a form."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    public = urlsplit(state_of(request).settings.public_url).netloc
    ours = {request.headers.get("host", ""), public} - {""}
    if site not in {"same-origin", "none"} or (origin and urlsplit(origin).netloc not in ours):
        raise Forbidden("this form was sent from another site")


def wants_page(request: Request) -> bool:
    """Say whether a person's browser asks, and no program."""
    accepted = request.headers.get("accept", "").lower()
    return request.method == "GET" and "text/html" in accepted.split(",")[0]


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Give a page that no other site can frame, and that runs our own script alone."""
    prefix = state_of(request).settings.path_prefix
    return HTMLResponse(render(name, prefix=prefix, **values), status, headers=_HEADERS)
