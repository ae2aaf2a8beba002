"""People log in to the pages, and out."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from aiwm_controller import wire
from aiwm_controller.access import Has
from aiwm_controller.errors import Fault, Forbidden
from aiwm_controller.fleet.visitors import COOKIE, Seen, page, same_origin
from aiwm_controller.routes.people import authenticated
from aiwm_controller.tokens import Bearer

router = APIRouter()

SECONDS = 12 * 3600


@router.get("/login")
async def loginpage(request: Request) -> HTMLResponse:
    """Ask who is there."""
    return page(request, "login.html", fault="", email="")


@router.post("/login", dependencies=[Depends(same_origin)])
async def log_in(
    request: Request,
    state: Has,
    email: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Let somebody in, by a cookie that no script and no other site can use."""
    try:
        user = await authenticated(request, state, wire.Login(email=email, password=password))
    except ValidationError:
        said = "The email or the password is wrong."
        return page(request, "login.html", 401, fault=said, email="")
    except Fault as fault:
        said = fault.message[:1].upper() + fault.message[1:] + "."
        return page(request, "login.html", fault.status, fault=said, email=email)
    bearer = Bearer("session", user.id, user.org_id, (user.role,), user.generation, user.email)
    response = RedirectResponse(f"{state.settings.path_prefix}/", 303)
    response.set_cookie(
        COOKIE,
        state.tokens.issue(bearer, now=state.clock(), seconds=SECONDS),
        max_age=SECONDS,
        path=f"{state.settings.path_prefix}/",
        secure=state.settings.secure_cookies and not _plain_loopback(request),
        httponly=True,
        samesite="strict",
    )
    return response


def _plain_loopback(request: Request) -> bool:
    """Say whether a person looks at their own machine without TLS."""
    url = request.url
    return url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost", "::1"}


@router.post("/logout", dependencies=[Depends(same_origin)])
async def log_out(
    state: Has, seen: Seen, csrf: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """Let somebody go."""
    if not hmac.compare_digest(csrf.encode(), seen.csrf.encode()):
        raise Forbidden("this form is not one of this session")
    response = RedirectResponse(f"{state.settings.path_prefix}/login", 303)
    response.delete_cookie(COOKIE, path=f"{state.settings.path_prefix}/")
    return response
