# SPDX-License-Identifier: Apache-2.0
"""One request of a Delighted client: who calls, which survey is meant, and what was sent."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request

from app.core.errors import Conflict
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.delighted.parameters import Parameters
from app.responses.ingest import Ingest
from app.surveys import service as surveys
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller

ROOT = "/delighted/v1"


@dataclass
class DelightedRequest:
    """A request in its own transaction; `headers` are given to the reply."""

    request: Request
    caller: Caller
    parameters: Parameters
    session: AsyncSession
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200

    @property
    def settings(self) -> Settings:
        """The service's settings."""
        settings: Settings = self.request.app.state.settings
        return settings

    @property
    def box(self) -> SealedBox:
        """What seals secrets."""
        box: SealedBox = self.request.app.state.box
        return box

    @property
    def ingest(self) -> Ingest:
        """What writes answers."""
        ingest: Ingest = self.request.app.state.ingest
        return ingest

    async def survey(self, *, to_answer: bool = False) -> CompiledSurvey:
        """Return the survey that the key means: its own, else the only live one for NPS.

        A closed survey can be read; `to_answer` it must be live.
        """
        reference = self.caller.survey
        if reference is None:
            reference = await surveys.find_only_live_key(
                self.session, self.caller.workspace_id, "nps"
            )
        if reference is None:
            detail = (
                "This key names no survey, and the workspace has none or several live ones for "
                "NPS: make a key with `survey`, one for each project of yours at Delighted."
            )
            raise Conflict(detail)
        survey = await self.ingest.catalogue.get(self.caller.workspace_id, reference)
        if survey is None or (to_answer and not survey.live):
            detail = f"The survey `{reference}` is not being answered; publish it first."
            raise Conflict(detail)
        return survey

    def add_next_link(self, **more: Any) -> None:
        """Say in the reply's `Link` where the next page lies."""
        pairs = [
            (key, value)
            for key, value in self.request.query_params.multi_items()
            if key not in more
        ]
        pairs = [(key, value) for key, value in pairs if key != "page"]
        query = urlencode([*pairs, *more.items()], safe="")
        path = self.request.scope["path"].removeprefix(ROOT)
        url = f"{self.settings.base_url}{ROOT}{path}?{query}"
        self.headers["Link"] = f'<{url}>; rel="next"'
