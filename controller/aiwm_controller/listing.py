"""How lists are asked for: pages, order, filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

LARGEST = 500


@dataclass(frozen=True)
class Paging:
    """Which page of a list, and in which order."""

    page: int
    limit: int
    sort: Literal["asc", "desc"]

    @property
    def offset(self) -> int:
        """How many rows stand before the page."""
        return (self.page - 1) * self.limit


def _paging(
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 10,
    sort: Literal["asc", "desc"] = "desc",
) -> Paging:
    return Paging(page, limit, sort)


Pages = Annotated[Paging, Depends(_paging)]
Search = Annotated[str, Query(max_length=200)]


def contains(text: str, *columns: Any) -> ColumnElement[bool]:
    """Find `text` in any of the columns; % and _ in it mean themselves."""
    return or_(*(func.lower(column).contains(text.lower(), autoescape=True) for column in columns))


async def count(session: AsyncSession, query: Any) -> int:
    """Count the rows of a query."""
    counted = select(func.count()).select_from(query.order_by(None).subquery())
    return await session.scalar(counted) or 0
