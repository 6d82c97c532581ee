# SPDX-License-Identifier: Apache-2.0
"""The tools of the assistant's server: each is a route of the API, with the caller's own key."""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import httpx2
import mcp_types as types
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from mcp.server.lowlevel import Server
from starlette.types import ASGIApp, Receive, Scope, Send

from app.insights.kinds import InsightName
from app.metrics.registry import METRICS
from app.workspaces.admission import RATE_COUNTED

_FILTERS: dict[str, Any] = {
    "from": {"type": "string", "description": "Date, inclusive, such as 2026-01-01."},
    "to": {"type": "string", "description": "Date, exclusive."},
    "period": {"type": "string", "description": "Instead: 12mo, 90d, this_month, all."},
    "survey": {"type": "string"},
    "touchpoint": {"type": "string"},
    "channel": {"type": "string"},
    "locale": {"type": "string"},
}


@dataclass(frozen=True, slots=True)
class AssistantTool:
    """One tool: what it is for, what it takes, and the route that answers it."""

    name: str
    description: str
    path: str
    properties: dict[str, Any]
    required: tuple[str, ...] = ()
    # Whether it takes the route's other parameters too.
    is_open: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """What it takes, as a JSON schema."""
        return {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
            "additionalProperties": self.is_open,
        }

    def fault_of(self, arguments: Mapping[str, Any]) -> str | None:
        """Return what is wrong with some arguments; None if they fit."""
        error = best_match(Draft202012Validator(self.schema).iter_errors(arguments))
        if error is None:
            return None
        where = ".".join(map(str, error.absolute_path))
        return f"`{where}`: {error.message}" if where else error.message


TOOLS = {
    tool.name: tool
    for tool in (
        AssistantTool(
            "list_surveys",
            "List the surveys with their questions; `next_cursor` leads to the next page.",
            "/v1/surveys",
            {
                "limit": {"type": "integer", "minimum": 1, "maximum": 200},
                "cursor": {"type": "string"},
            },
        ),
        AssistantTool(
            "get_metric",
            "Read a customer-experience figure with n and interval, over time or by group.",
            "/v1/metrics/{metric}",
            {
                "metric": {"type": "string", "enum": list(METRICS)},
                "interval": {"enum": ["none", "day", "week", "month", "quarter", "year"]},
                "group_by": {"type": "string", "description": "Such as touchpoint or survey."},
                "compare": {"enum": ["previous_period", "previous_year"]},
                **_FILTERS,
            },
            ("metric",),
            is_open=True,
        ),
        AssistantTool(
            "get_insight",
            "Read an insight, such as what drives the score or what followed bad experiences. "
            "`refused` says why the data is not enough for an answer.",
            "/v1/insights/{insight}",
            {
                "insight": {"type": "string", "enum": [str(insight) for insight in InsightName]},
                **_FILTERS,
            },
            ("insight",),
            is_open=True,
        ),
        AssistantTool(
            "search_comments",
            "Find responses whose comment holds some words; needs a key with the scope `read`.",
            "/v1/responses",
            {
                "q": {"type": "string", "description": "Part of a comment."},
                "min_score": {"type": "integer"},
                "max_score": {"type": "integer"},
                "since": {"type": "string", "description": "Time, such as 2026-01-01T00:00:00Z."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100},
                "survey": {"type": "string"},
                "touchpoint": {"type": "string"},
            },
            ("q",),
        ),
        AssistantTool(
            "explain_figure",
            "Say in words how a figure is computed: formula, denominator, interval.",
            "",
            {
                "metric": {
                    "type": "string",
                    "enum": [*METRICS, *(str(insight) for insight in InsightName)],
                }
            },
            ("metric",),
        ),
    )
}

# The application and the key of the request that is being answered.
current_call: ContextVar[tuple[ASGIApp, str]] = ContextVar("current_call")


@cache
def explanations() -> dict[str, str]:
    """Return how each metric and each insight is computed, in words."""
    of_insights = json.loads(files("app.assistant").joinpath("explanations.json").read_text())
    return {name: metric.about for name, metric in METRICS.items()} | dict(of_insights)


def make_server() -> Server[Any]:
    """Make the server with its read-only tools."""
    return Server(
        "afterword",
        version=version("afterword"),
        instructions="Exact customer-experience figures. Say n and the interval with each figure; "
        "where `refused` or `reliability` says that there is too little data, say so.",
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
    )


async def _list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(
        tools=[
            types.Tool(
                name=tool.name,
                description=tool.description,
                input_schema=tool.schema,
                annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
            )
            for tool in TOOLS.values()
        ]
    )


async def _call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    tool = TOOLS.get(params.name)
    if tool is None:
        return _result(f"There is no tool `{params.name}`; there are {', '.join(TOOLS)}.", ok=False)
    arguments = dict(params.arguments or {})
    if fault := tool.fault_of(arguments):
        return _result(fault, ok=False)
    if not tool.path:
        words = explanations().get(str(arguments["metric"]))
        return _result(
            words or f"There is no metric `{arguments['metric']}`.", ok=words is not None
        )
    return await _ask(tool, arguments)


async def _ask(tool: AssistantTool, arguments: dict[str, Any]) -> types.CallToolResult:
    """Ask the route with the caller's own key: same parameters, same figures, same errors."""
    parts = {name: str(arguments.pop(name)) for name in tool.required if f"{{{name}}}" in tool.path}
    app, authorization = current_call.get()
    if tool.name == "search_comments":
        arguments = {"has_comment": "true", "limit": 20} | arguments

    async def call_uncounted(scope: Scope, receive: Receive, send: Send) -> None:
        # The assistant's request was taken from the key's rate already.
        await app({**scope, RATE_COUNTED: True}, receive, send)

    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=call_uncounted), base_url="http://assistant"
    ) as client:
        path = tool.path.format(**{key: quote(value, safe="") for key, value in parts.items()})
        reply = await client.get(path, params=arguments, headers={"Authorization": authorization})
    return _result(reply.text, ok=reply.is_success)


def _result(text: str, *, ok: bool) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=not ok
    )
