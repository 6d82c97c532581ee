# SPDX-License-Identifier: Apache-2.0
"""What an adapter needs to write a score onto a ticket: the answer, the access, the requests. Pure.

Each source that takes scores says in its own module which requests those are.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class WriteBackContent:
    """The response as it is written onto a ticket."""

    ticket: str
    survey: str
    score: int | None
    band: str | None
    comment: str | None

    @property
    def note(self) -> str:
        """The note's text."""
        lines = [f"{self.survey}: {self.score if self.score is not None else '-'}"]
        if self.band:
            lines[0] += f" ({self.band})"
        return "\n\n".join([*lines, *([self.comment] if self.comment else [])])


@dataclass(frozen=True, slots=True)
class HelpdeskAccess:
    """The credentials for a helpdesk's API, and whether to add a tag to the ticket."""

    token: str
    user: str | None
    account_id: int | None
    tags: bool


@dataclass(frozen=True, slots=True)
class HelpdeskRequest:
    """One request to the helpdesk."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WriteBackRules:
    """How a helpdesk takes a score: its requests in turn, and what it needs beside a token.

    `needs` maps a required field of `POST /v1/integrations/{id}/write-back` to the error message
    if it is missing.
    """

    requests: Callable[[HelpdeskAccess, WriteBackContent], list[HelpdeskRequest]]
    needs: Mapping[str, str] = field(default_factory=dict)


def basic_authorization(user: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
