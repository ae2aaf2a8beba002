"""The same five routes for instructions, tools, deployments and nodes."""

# No `from __future__ import annotations` here: the routes' types are arguments of a function.

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from sqlalchemy import Select, String, cast, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import secret_fields, shapes, wire
from aiwm_controller.access import Editor, Has, Person, Viewer
from aiwm_controller.errors import BadRequest, Conflict, NotFound
from aiwm_controller.listing import Pages, Search, contains, count
from aiwm_controller.models import Agent, Deployment, Instruction, Node, Organization, Tool
from aiwm_controller.sealing import Sealer
from aiwm_controller.state import Note, State, write_note

ItemId = Annotated[str, Path(max_length=64)]
Json = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of thing: its table, what requests say, and which agents hear of a change."""

    name: str
    model: Any
    create: type[wire.Wire]
    change: type[wire.Wire]
    shape: Callable[[Any], Json]
    used_by: Callable[[str], Any]
    unique: bool = False
    columns: Callable[[Json, Any, Sealer], Json] = secret_fields.none
    nullable: tuple[str, ...] = ()


def _using_tool(tool_id: str) -> Any:
    return cast(Agent.allowed_tool_ids, String).contains(tool_id, autoescape=True)


KINDS = (
    Kind(
        "instruction",
        Instruction,
        wire.InstructionIn,
        wire.InstructionChanges,
        shapes.instruction,
        lambda each: Agent.instruction_id == each,
    ),
    Kind(
        "tool",
        Tool,
        wire.ToolIn,
        wire.ToolChanges,
        shapes.tool,
        _using_tool,
        unique=True,
        columns=secret_fields.of_tool,
        nullable=("endpoint",),
    ),
    Kind(
        "deployment",
        Deployment,
        wire.DeploymentIn,
        wire.DeploymentChanges,
        shapes.deployment,
        lambda each: Agent.deployment_id == each,
        columns=secret_fields.of_deployment,
        nullable=("api_key",),
    ),
    Kind(
        "node",
        Node,
        wire.NodeIn,
        wire.NodeChanges,
        shapes.node,
        lambda each: Agent.node_id == each,
    ),
)


def given(body: wire.Wire) -> Json:
    """Give the fields that a request names, as columns; null leaves references empty."""
    return {
        name.rstrip("_"): value
        for name, value in body.model_dump(exclude_unset=True, by_alias=False).items()
    }


def refuse_nulls(fields: Json, *allowed: str) -> None:
    """Raise BadRequest where a field is null that can't be."""
    nulls = sorted(name for name, value in fields.items() if value is None and name not in allowed)
    if nulls:
        raise BadRequest(f"{', '.join(nulls)} can't be null")


async def touch_agents(session: AsyncSession, which: Any, *, org_id: str) -> None:
    """Give a new config version to the agents that a change reaches."""
    reached = (Agent.org_id == org_id, Agent.deleted_at.is_(None), which)
    # In the order in which heartbeats lock them, so that neither waits for the other for ever.
    locked = select(Agent.id).where(*reached).order_by(Agent.id)
    await session.execute(locked.with_for_update(key_share=True))
    await session.execute(
        update(Agent)
        .where(*reached)
        .values(config_version=Agent.config_version + 1)
        .execution_options(synchronize_session=False)
    )


def mine(kind: Kind, person: Person) -> Select[Any]:
    """Query what the person's organization has of a kind."""
    model = kind.model
    return select(model).where(model.org_id == person.org_id, model.deleted_at.is_(None))


async def one(session: AsyncSession, kind: Kind, person: Person, item: str) -> Any:
    """Give one thing; raises NotFound, also for what another organization has."""
    found = await session.scalar(mine(kind, person).where(kind.model.id == item))
    if found is None:
        raise NotFound(f"there is no such {kind.name}")
    return found


async def _refuse_twin(
    session: AsyncSession, kind: Kind, person: Person, name: str, but: str = ""
) -> None:
    if not kind.unique:
        return
    # One at a time: of two that look at once, neither would see the other's.
    organization = select(Organization.id).where(Organization.id == person.org_id)
    await session.execute(organization.with_for_update())
    twin = mine(kind, person).where(kind.model.name == name, kind.model.id != but)
    if await session.scalar(twin.limit(1)) is not None:
        raise Conflict(f"there is a {kind.name} of the name {name} already")


def _creator(kind: Kind) -> Callable[..., Awaitable[Json]]:
    async def create(person: Editor, state: Has, body: Annotated[Any, Body()]) -> Json:
        return await _create(kind, person, state, body)

    create.__annotations__["body"] = kind.create
    return create


async def _create(kind: Kind, person: Person, state: State, body: wire.Wire) -> Json:
    now = state.clock()
    fields = {name.rstrip("_"): value for name, value in body.model_dump().items()}
    fields = kind.columns(fields, None, state.sealer)
    async with state.database.write() as session:
        await _refuse_twin(session, kind, person, fields["name"])
        row = kind.model(
            **fields,
            org_id=person.org_id,
            created_at=now,
            updated_at=now,
            created_by=person.id,
            updated_by=person.id,
        )
        session.add(row)
        await session.flush()
        told = {name: each for name, each in fields.items() if each is not None}
        _note_secrets(session, state, person, kind, row, told)
        return kind.shape(row)


def _note_secrets(
    session: AsyncSession, state: State, person: Person, kind: Kind, row: Any, fields: Json
) -> None:
    """Write into the audit log that a secret of a deployment or a tool was set or removed."""
    for name in ("sealed_key", "sealed_headers"):
        if name not in fields:
            continue
        did = "set" if fields[name] else "removed"
        detail: Json = {kind.name: row.id, "name": row.name}
        what = f"{kind.name}-secret.{did}"
        write_note(session, state.clock, Note(what, person.org_id, person.email, detail=detail))


def _changer(kind: Kind) -> Callable[..., Awaitable[Json]]:
    async def change(
        person: Editor, state: Has, item_id: ItemId, body: Annotated[Any, Body()]
    ) -> Json:
        return await _change(kind, person, state, item_id, body)

    change.__annotations__["body"] = kind.change
    return change


async def _change(kind: Kind, person: Person, state: State, item: str, body: wire.Wire) -> Json:
    fields = given(body)
    refuse_nulls(fields, *kind.nullable)
    async with state.database.write() as session:
        row = await one(session, kind, person, item)
        fields = kind.columns(fields, row, state.sealer)
        await _refuse_twin(session, kind, person, fields.get("name", row.name), but=row.id)
        for name, value in fields.items():
            setattr(row, name, value)
        row.updated_at, row.updated_by = state.clock(), person.id
        await touch_agents(session, kind.used_by(row.id), org_id=person.org_id)
        _note_secrets(session, state, person, kind, row, fields)
        await session.flush()
        return kind.shape(row)


def router_of(kind: Kind) -> APIRouter:
    """Make the five routes of a kind."""
    router = APIRouter(prefix=f"/{kind.name}s", tags=[f"{kind.name}s"])
    model = kind.model

    async def find(person: Viewer, state: Has, pages: Pages, search: Search = "") -> Json:
        query = mine(kind, person)
        if search:
            query = query.where(contains(search, model.name, model.description))
        order = getattr(model.created_at, pages.sort)()
        async with state.database.read() as session:
            total = await count(session, query)
            rows = await session.scalars(
                query.order_by(order, model.id).offset(pages.offset).limit(pages.limit)
            )
            return shapes.page([kind.shape(row) for row in rows], total, pages.page, pages.limit)

    async def read(person: Viewer, state: Has, item_id: ItemId) -> Json:
        async with state.database.read() as session:
            return kind.shape(await one(session, kind, person, item_id))

    async def delete(person: Editor, state: Has, item_id: ItemId) -> Json:
        async with state.database.write() as session:
            row = await one(session, kind, person, item_id)
            row.deleted_at, row.updated_by = state.clock(), person.id
            await touch_agents(session, kind.used_by(row.id), org_id=person.org_id)
        return {"message": f"{kind.name.capitalize()} deleted successfully"}

    add = router.add_api_route
    name = kind.name
    add("", _creator(kind), methods=["POST"], status_code=201, name=f"create {name}")
    add("", find, methods=["GET"], name=f"list {name}s")
    add("/{item_id}", read, methods=["GET"], name=f"read {name}")
    for method in ("PUT", "PATCH"):
        add("/{item_id}", _changer(kind), methods=[method], name=f"change {name}")
    add("/{item_id}", delete, methods=["DELETE"], name=f"delete {name}")
    return router
