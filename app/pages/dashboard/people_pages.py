# SPDX-License-Identifier: Apache-2.0
"""Customers on the dashboard: find, show, change and erase them."""

import datetime as dt
from typing import Annotated

from fastapi import Query
from starlette.responses import HTMLResponse, Response

from app.core.routing import router
from app.pages.dashboard.visit import ApiVisitDep

routes = router("Dashboard")


@routes.get("/people", include_in_schema=False)
async def show_people(
    visit: ApiVisitDep,
    q: Annotated[str, Query(max_length=255)] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """List all customers, or those whose name, address or id contains the search text."""
    search = q.strip()
    reply = await visit.api.get("/v1/customers", limit=50, cursor=cursor, q=search)
    return visit.render("people", rows=reply["data"], cursor=reply["next_cursor"], q=search)


@routes.get("/people/{customer}", include_in_schema=False)
async def show_person(
    visit: ApiVisitDep, customer: str, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """Show one customer: who it is, what happened, what was answered."""
    person = await visit.api.get(f"/v1/customers/{customer}")
    timeline = await visit.api.get(f"/v1/customers/{customer}/timeline", limit=50, cursor=cursor)
    planned = await visit.api.get(
        "/v1/invitations", customer=person["id"], status="scheduled", limit=100
    )
    moments = [row | {"at": dt.datetime.fromisoformat(row["at"])} for row in timeline["data"]]
    ids = [known["id"] for known in person["external_ids"]]
    name = person["name"] or person["email"] or next(iter(ids), visit.texts["anonymous"])
    return visit.render(
        "person", title=name, customer=person, moments=moments, cursor=timeline["next_cursor"],
        next_asked=min((row["send_at"] for row in planned["data"]), default=None),
    )  # fmt: skip


@routes.get("/people/{customer}/export", include_in_schema=False)
async def export_person(visit: ApiVisitDep, customer: str) -> Response:
    """Return all that is known of a customer as a file."""
    reply = await visit.api.read(f"/v1/customers/{customer}/export")
    headers = {"Content-Disposition": 'attachment; filename="customer.json"'}
    return Response(reply.content, media_type="application/json", headers=headers)
