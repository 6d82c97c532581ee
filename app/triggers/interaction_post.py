# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/interactions` on the fast path, outside the framework's own layers.

A request with an `Idempotency-Key` or a query takes the usual route, in its own transaction.
"""

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from app.core.batch_lines import batch_route
from app.core.errors import InvalidInput
from app.core.http import from_validation, read_plain_body, require_content_type
from app.core.json_values import decode_json
from app.interactions.interaction_schemas import InteractionIn
from app.triggers.interaction_commit import InteractionCommit
from app.workspaces.admission import admit
from app.workspaces.scopes import Scope

PATH = "/v1/interactions"


def is_plain(headers: list[tuple[bytes, bytes]], query: bytes) -> bool:
    """Tell whether a request has neither a query nor an idempotency key."""
    return not query and all(name != b"idempotency-key" for name, _ in headers)


def decode_interaction(body: bytes) -> InteractionIn:
    """Decode one interaction, or raise InvalidInput that names each wrong field."""
    try:
        return InteractionIn.model_validate(decode_json(body))
    except ValidationError as error:
        errors = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        fields = list(InteractionIn.model_fields)
        raise InvalidInput(errors=from_validation(errors, fields)) from None


async def _take(request: Request) -> Response:
    caller = await admit(request, Scope.WRITE)
    body = await read_plain_body(request)
    require_content_type(request, "application/json")
    interaction = decode_interaction(body)
    commit: InteractionCommit = request.app.state.interactions
    document, created = await commit.submit(
        caller.workspace_id, interaction.draft(test=caller.test)
    )
    return Response(to_json(document), 201 if created else 200, media_type="application/json")


post_interaction = batch_route(_take)
