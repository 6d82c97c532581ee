# SPDX-License-Identifier: Apache-2.0
"""Routes of one customer's whole data."""

import datetime as dt
from typing import Literal
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, Field

from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import BoxDep, SessionDep, router
from app.core.settings import Settings
from app.exports import erasure
from app.exports.timeline import TimelineEntry, find_timeline_entries
from app.interactions.customer_schemas import CustomerOut, CustomerParam
from app.interactions.customers import get_customer
from app.workspaces.admission import Admin, Reader

routes = router("Customers, interactions and tickets")


class CustomerExport(BaseModel):
    """All that is known of one customer."""

    customer: CustomerOut
    moments: list[TimelineEntry]


class ErasureOut(BaseModel):
    """What was erased, by kind; every figure stays."""

    id: UUID
    erased: dict[str, int] = Field(description="Rows that were emptied or deleted.")


class ErasureRow(BaseModel):
    """One erasure of the past: whose pseudonym stays, and how much went."""

    id: UUID
    customer: UUID
    reason: Literal["asked", "retention"]
    erased: dict[str, int]
    at: dt.datetime


def _position(moment: TimelineEntry) -> tuple[dt.datetime, UUID]:
    return moment.at, moment.id


@routes.get("/v1/customers/{customer}/timeline", summary="Read a customer's timeline")
async def get_timeline(
    session: SessionDep,
    caller: Reader,
    customer: CustomerParam,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[TimelineEntry]:
    """Return interactions, invitations and responses of one customer, newest first."""
    customer_row = await get_customer(session, caller.workspace_id, customer)
    rows = await find_timeline_entries(
        session, caller.workspace_id, customer_row["id"], limit=limit, cursor=cursor
    )
    return page_of(rows, limit, position=_position, show=lambda row: row)


@routes.get("/v1/customers/{customer}/export", summary="Export a customer's data")
async def export_customer(
    session: SessionDep, caller: Admin, customer: CustomerParam
) -> CustomerExport:
    """Return all that is known of one customer, as they may ask for it."""
    customer_row = await get_customer(session, caller.workspace_id, customer)
    moments = await find_timeline_entries(
        session, caller.workspace_id, customer_row["id"], limit=None
    )
    return CustomerExport(customer=CustomerOut.model_validate(customer_row), moments=moments)


@routes.delete("/v1/customers/{customer}", summary="Erase a customer")
async def erase_customer(
    request: Request, session: SessionDep, caller: Admin, box: BoxDep, customer: CustomerParam
) -> ErasureOut:
    """Erase a customer's personal data everywhere; an empty pseudonym and every figure stay."""
    settings: Settings = request.app.state.settings
    customer_row = await get_customer(session, caller.workspace_id, customer)
    if customer_row["erased_at"] is not None:
        return ErasureOut(id=customer_row["id"], erased={})
    erased = await erasure.erase_customer(
        session, caller.workspace_id, customer_row, box=box, data_dir=settings.data_dir
    )
    return ErasureOut(id=customer_row["id"], erased=erased)


@routes.get("/v1/erasures", summary="List the erasures")
async def list_erasures(
    session: SessionDep, caller: Admin, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[ErasureRow]:
    """Return who was erased, by pseudonym, newest first: the report that a regulator asks for."""
    rows = await erasure.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    return page_of(
        rows,
        limit,
        position=lambda row: (row.created_at, row.id),
        show=lambda row: ErasureRow(
            id=row.id, customer=row.customer_id, reason=row.reason,
            erased=row.erased, at=row.created_at,
        ),
    )  # fmt: skip
