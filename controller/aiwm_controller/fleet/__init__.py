"""The fleet page: agents with their state, live, for people who log in."""

from fastapi import APIRouter

from aiwm_controller.fleet import agent, agents, login

router = APIRouter()
for part in (login, agents, agent):
    router.include_router(part.router)
