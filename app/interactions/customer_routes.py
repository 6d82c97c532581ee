# SPDX-License-Identifier: Apache-2.0
"""Routes of customers."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from app.core.paging import Page, page_of
from app.core.routing import SessionDep, router
from app.interactions import customer_merging, customers
from app.interactions.customer_schemas import (
    CustomerFilter,
    CustomerMerge,
    CustomerOut,
    CustomerParam,
    CustomerPatch,
    CustomerPut,
    CustomerRow,
    Short,
)
from app.workspaces.admission import Reader, Writer

routes = router("Customers, interactions and tickets")


def _position(row: dict[str, Any]) -> tuple[dt.datetime, UUID]:
    return row["created_at"], row["id"]


@routes.get("/v1/customers", summary="List customers")
async def list_customers(
    session: SessionDep, caller: Reader, filters: Annotated[CustomerFilter, Query()]
) -> Page[CustomerOut]:
    """Return customers, newest first. Filter by e-mail or external id to find one."""
    rows = await customers.find_customers(session, caller.workspace_id, filters)
    return page_of(rows, filters.limit, position=_position, show=CustomerOut.model_validate)


@routes.post("/v1/customers/merge", summary="Merge two customers")
async def merge_customers(session: SessionDep, caller: Writer, body: CustomerMerge) -> CustomerOut:
    """Merge one customer into another; the id of the first leads to the other from now on."""
    merged = await customer_merging.merge_customers(
        session, caller.workspace_id, loser=body.from_, winner=body.into
    )
    return CustomerOut.model_validate(merged)


@routes.get("/v1/customers/{customer}", summary="Read a customer")
async def get_customer(session: SessionDep, caller: Reader, customer: CustomerParam) -> CustomerOut:
    """Return one customer."""
    customer_row = await customers.get_customer(session, caller.workspace_id, customer)
    return CustomerOut.model_validate(customer_row)


@routes.put(
    "/v1/customers/{customer}",
    summary="Make or change a customer",
    responses={201: {"model": CustomerOut, "description": "Made."}},
)
async def put_customer(
    session: SessionDep,
    caller: Writer,
    customer: CustomerParam,
    body: CustomerPut,
    reply: Response,
    source: Annotated[Short | None, Query(description="The source that gave the id.")] = None,
) -> CustomerOut:
    """Make the customer of this external id, or change what is given of it."""
    fields = body.model_dump(exclude_unset=True) | ({"source": source} if source else {})
    row = CustomerRow(external_id=customer, **fields)
    changed, is_new = await customers.put_customer(session, caller.workspace_id, row)
    reply.status_code = 201 if is_new else 200
    return CustomerOut.model_validate(changed)


@routes.patch("/v1/customers/{customer}", summary="Change a customer")
async def update_customer(
    session: SessionDep, caller: Writer, customer: CustomerParam, body: CustomerPatch
) -> CustomerOut:
    """Change what is given; given properties are added to the stored ones."""
    changed = await customers.change_customer(session, caller.workspace_id, customer, body)
    return CustomerOut.model_validate(changed)
