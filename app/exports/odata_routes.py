# SPDX-License-Identifier: Apache-2.0
"""OData v4, read only: the daily counts, as Excel, Power BI and Tableau read them natively."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.core.errors import NotFound
from app.core.http import json_reply
from app.core.routing import ReadSessionDep, router
from app.core.settings import Settings
from app.exports.odata_queries import (
    apply_filter,
    count_rows,
    find_entity,
    find_readable_rows,
    read_page,
)
from app.exports.odata_sets import SETS, EntitySet, build_metadata, orderby_sql, select_names
from app.workspaces.admission import Analyst

routes = router("OData")

_ROOT = "/odata/v4"
_VERSION = {"OData-Version": "4.0"}
_PAGE = 5000
_MAX_SKIPPED = 10_000_000


# One entity by its keys: `figures_daily(date=2026-01-05,survey='s',…)`.
_BY_KEY = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_KEY = re.compile(r"(\w+)=('(?:[^']|'')*'|[^,']+)(?:,|$)")


@dataclass(frozen=True, slots=True)
class EntityRequest:
    """An entity set, and the keys of one of its entities where one alone is wanted."""

    entity_set: EntitySet
    keys: Mapping[str, str] | None = None


def _entity_request(entity_set: str) -> EntityRequest:
    match = _BY_KEY.fullmatch(entity_set)
    if match is None:
        return EntityRequest(_set_of(entity_set))
    own_set, key_text = _set_of(match[1]), match[2]
    keys = {name: value.removeprefix("'").removesuffix("'").replace("''", "'")
            for name, value in _KEY.findall(key_text)}  # fmt: skip
    if set(keys) != set(own_set.keys):
        raise NotFound(f"An entity of {own_set.name} is named by {', '.join(own_set.keys)}.")
    return EntityRequest(own_set, keys)


def _set_of(entity_set: str) -> EntitySet:
    if entity_set not in SETS:
        raise NotFound(f"There is no entity set of this name; there are {', '.join(SETS)}.")
    return SETS[entity_set]


SetDep = Annotated[EntitySet, Depends(_set_of)]
EntityRequestDep = Annotated[EntityRequest, Depends(_entity_request)]


class ODataQuery(BaseModel):
    """The system query options that are understood."""

    apply: str | None = Field(
        default=None,
        alias="$apply",
        description="`filter(metric eq 'nps')/groupby((survey), aggregate(responses with sum as "
        "n))`. The other options apply to its result.",
    )
    filter: str | None = Field(default=None, alias="$filter", description="`survey eq 'nps'`.")
    select: str | None = Field(default=None, alias="$select", max_length=1000)
    orderby: str | None = Field(default=None, alias="$orderby", max_length=1000)
    top: int | None = Field(default=None, alias="$top", ge=0)
    skip: int = Field(default=0, alias="$skip", ge=0, le=_MAX_SKIPPED)
    count: bool = Field(default=False, alias="$count", description="Also count all rows.")
    format: str | None = Field(default=None, alias="$format", pattern="^(json|application/json.*)$")


class ODataDocument(BaseModel):
    """Rows or entity sets, as OData's JSON writes them."""

    model_config = ConfigDict(extra="allow")

    context: str = Field(alias="@odata.context")
    value: list[dict[str, Any]]
    count: int | None = Field(default=None, alias="@odata.count")
    next_link: str | None = Field(default=None, alias="@odata.nextLink")


def _root(request: Request) -> str:
    settings: Settings = request.app.state.settings
    return settings.base_url + _ROOT


@routes.get(f"{_ROOT}/", summary="OData service document", include_in_schema=False)
@routes.get(_ROOT, summary="OData service document", response_model=ODataDocument)
async def get_odata_service(request: Request, _caller: Analyst) -> Response:
    """Name the entity sets."""
    value = [{"name": name, "kind": "EntitySet", "url": name} for name in SETS]
    document = {"@odata.context": f"{_root(request)}/$metadata", "value": value}
    return json_reply(document, headers=_VERSION)


@routes.get(
    f"{_ROOT}/$metadata",
    summary="OData metadata",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string"}} for kind in ("application/xml", "text/xml")
            }
        }
    },
)
async def get_odata_metadata(request: Request, _caller: Analyst) -> Response:
    """Describe the entity sets as EDMX; as `text/xml` where the request accepts that alone."""
    wants_xml = request.headers.get("accept", "").strip() == "text/xml"
    kind = "text/xml" if wants_xml else "application/xml"
    return Response(build_metadata(), media_type=kind, headers=_VERSION)


@routes.get(
    f"{_ROOT}/{{entity_set}}", summary="Read an OData entity set", response_model=ODataDocument
)
async def get_odata_set(
    request: Request,
    session: ReadSessionDep,
    caller: Analyst,
    entity_request: EntityRequestDep,
    query: Annotated[ODataQuery, Query()],
) -> Response:
    """Return rows, 5,000 a page; `@odata.nextLink` leads to the next ones. With keys, one row.

    Where the workspace hides small groups, rows of counts need the scope `read`; groups of
    `$apply` need no more than `metrics`, and small ones are shown without their numbers.
    """
    entity_set = entity_request.entity_set
    rows = await find_readable_rows(session, caller, entity_set, query.apply)
    names = select_names(entity_set.name, rows.types, query.select)
    context = f"{_root(request)}/$metadata#{entity_set.name}"
    if entity_request.keys is not None:
        entity = await find_entity(session, rows, names, entity_request.keys)
        if entity is None:
            raise NotFound(f"There is no such entity of {entity_set.name}.")
        return json_reply({"@odata.context": f"{context}/$entity"} | entity, headers=_VERSION)
    rows = apply_filter(rows, query.filter)
    page = min(_PAGE, _PAGE if query.top is None else query.top)
    order = orderby_sql(entity_set.name, rows.types, rows.keys, query.orderby)
    value = await read_page(session, rows, names, order, limit=page + 1, skip=query.skip)
    if query.select or query.apply:
        context += f"({','.join(names)})"
    document: dict[str, Any] = {"@odata.context": context}
    if query.count:
        document["@odata.count"] = await count_rows(session, rows)
    document["value"] = value[:page]
    if len(value) > page and (query.top is None or query.top > page):
        document["@odata.nextLink"] = _next_link(request, query, page)
    return json_reply(document, headers=_VERSION)


@routes.get(
    f"{_ROOT}/{{entity_set}}/$count",
    summary="Count an OData entity set",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def count_odata_set(
    session: ReadSessionDep,
    caller: Analyst,
    entity_set: SetDep,
    filter_: Annotated[str | None, Query(alias="$filter")] = None,
) -> Response:
    """Return how many rows there are, as a bare number."""
    rows = apply_filter(await find_readable_rows(session, caller, entity_set, None), filter_)
    count = await count_rows(session, rows)
    return Response(str(count), media_type="text/plain", headers=_VERSION)


def _next_link(request: Request, query: ODataQuery, page: int) -> str:
    """Return the URL of the next page: the same query with a larger `$skip`."""
    parameters = dict(request.query_params)
    parameters["$skip"] = str(query.skip + page)
    if query.top is not None:
        parameters["$top"] = str(query.top - page)
    root = _root(request).removesuffix(_ROOT)
    return f"{root}{request.url.path}?{urlencode(parameters)}"
