# SPDX-License-Identifier: Apache-2.0
"""Errors as OData writes them: its clients show the message, and know no other shape."""

import json

from starlette.responses import Response

from app.core.http import json_reply


def odata_error(problem: Response) -> Response:
    """Return one of our problems in that shape; status and headers stay."""
    document = json.loads(bytes(problem.body))
    details = [
        {"code": document["title"], "target": str(error["loc"][-1]), "message": error["msg"]}
        for error in document.get("errors", [])
    ]
    first = f" {details[0]['target']}: {details[0]['message']}" if details else ""
    error = {"code": str(document["status"]), "message": f"{document['detail']}{first}"}
    reply = json_reply({"error": error | ({"details": details} if details else {})},
                       status=problem.status_code, headers={"OData-Version": "4.0"})  # fmt: skip
    for name, value in problem.headers.items():
        if name.lower() not in {"content-type", "content-length"}:
            reply.headers[name] = value
    return reply
