# SPDX-License-Identifier: Apache-2.0
"""Bodies of integrations and their events."""

import datetime as dt
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from app.core.text_types import INTERACTION_TYPE, Slug
from app.integrations.mapping_schemas import HeaderName, Signature
from app.integrations.presets import PRESETS
from app.integrations.registry import SourceName
from app.integrations.statuses import TYPES, fold_status
from app.interactions.schemas import TouchpointKey
from app.workspaces.schemas import Body, Zone

Secret = Annotated[str, StringConstraints(min_length=8, max_length=500)]


def _is_meaning(value: str) -> str:
    is_type = "." in value and re.fullmatch(INTERACTION_TYPE, value)
    if value not in TYPES and not is_type:
        msg = f"must be one of {', '.join(TYPES)}, or an interaction type such as ticket.solved"
        raise ValueError(msg)
    return value


def _names_each_status_once(value: dict[str, str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for status in value:
        if (other := seen.setdefault(fold_status(status), status)) != status:
            msg = f"`{other}` and `{status}` are the same status"
            raise ValueError(msg)
    return value


StatusMap = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=80)],
        Annotated[str, StringConstraints(max_length=64), AfterValidator(_is_meaning)],
    ],
    Field(max_length=200),
    AfterValidator(_names_each_status_once),
]


class IntegrationSettings(Body):
    """What can be set of a sender, when it is made and later."""

    secret: Secret | None = Field(default=None, description="The sender's own signing secret.")
    touchpoint: TouchpointKey | None = Field(
        default=None, description="For interactions that name none."
    )
    timezone: Zone | None = Field(
        default=None,
        description="Where its times without a zone are read; default: the workspace's.",
    )
    accept_test: bool = Field(
        default=False,
        description="Take the sender's tests (Stripe's test mode, Shopify's test orders) as real.",
    )
    status_map: StatusMap = Field(
        default={},
        description='What its statuses mean, such as `{"Gelöst": "solved"}`; before our labels.',
    )
    signature: Signature | None = Field(default=None, description="For `generic`.")


class IntegrationPatch(IntegrationSettings):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"secret": "the secret Zendesk has shown"}}
    )

    secret: Secret = Field(default="", description="The sender's own signing secret.")
    mapping: dict[str, Any] = Field(
        default={}, description="For `generic`; of a preset only the fields to replace."
    )


class IntegrationIn(IntegrationSettings):
    """A new sender."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"source": "zendesk", "touchpoint": "support"}},
    )

    source: SourceName

    @field_validator("source", mode="before")
    @classmethod
    def _is_no_preset(cls, value: Any) -> Any:
        if value in PRESETS:
            msg = f'is a preset: send "source": "generic", "preset": "{value}"'
            raise ValueError(msg)
        return value

    key: Slug | None = Field(
        default=None,
        description="The `source` of its interactions; default: its name, or its preset's.",
    )
    preset: str | None = Field(
        default=None, max_length=64, description="For `generic`: a mapping and signature we know."
    )
    mapping: dict[str, Any] | None = Field(
        default=None,
        description="For `generic`: see the guide. Beside a preset: only the fields to replace.",
    )

    @model_validator(mode="after")
    def _generic_has_a_mapping(self) -> Self:
        is_generic = self.source == SourceName.GENERIC
        if is_generic is (self.mapping is None and self.preset is None):
            msg = "mapping: `generic` needs one or a `preset`, and only `generic` takes one"
            raise ValueError(msg)
        if self.preset is not None and self.preset not in PRESETS:
            msg = f"preset: is none of {', '.join(PRESETS)}"
            raise ValueError(msg)
        if self.signature is not None and not is_generic:
            msg = "signature: only `generic` takes one; the others' rules are known"
            raise ValueError(msg)
        return self


class RotateSecret(Body):
    """The next secret; the one before is good for 24 hours more."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"secret": "the sender's next secret"}}
    )

    secret: Secret | None = Field(
        default=None, description="Left out where the URL carries a token: a new one is made."
    )


class UnmappedStatus(BaseModel):
    """A status that nobody has mapped, with the webhooks that wait for its meaning."""

    status: str
    count: int
    last_at: dt.datetime


class IntegrationOut(BaseModel):
    """A sender; its secrets are never shown."""

    id: UUID
    key: str
    source: SourceName
    url: str = Field(description="Where it sends; a token in it is shown once.")
    preset: str | None
    touchpoint: str | None
    timezone: str | None
    accept_test: bool
    status_map: dict[str, str]
    unmapped: list[UnmappedStatus] = Field(
        description="Statuses that mean nothing here yet; `status_map` says what they mean, and "
        "what waited is translated then."
    )
    mapping: dict[str, Any] | None
    signature: dict[str, Any] | None
    has_secret: bool = Field(description="Without one, webhooks wait unverified.")
    writes_back: bool
    old_secret_until: dt.datetime | None
    last_event_at: dt.datetime | None
    last_refused_at: dt.datetime | None = Field(
        description="When a webhook last came whose signature or token was wrong, to the minute."
    )
    last_refused_reason: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class InboundEventStatus(StrEnum):
    """What became of a webhook."""

    RECEIVED = "received"
    TRANSLATED = "translated"
    SKIPPED = "skipped"
    FAILED = "failed"


class InboundOut(BaseModel):
    """One webhook, with the reason where it became no interaction."""

    id: UUID
    delivery: str = Field(description="The sender's id of it.")
    status: InboundEventStatus
    reason: str | None
    verified: bool
    notes: list[str] = Field(description="What was left out, because it could not be read.")
    interactions: list[UUID]
    received_at: dt.datetime
    translated_at: dt.datetime | None


class InboundWithBody(InboundOut):
    """One webhook as it came."""

    headers: dict[str, str]
    body: str


class WebhookPreviewIn(Body):
    """A webhook to try: its headers, and its body as text or as JSON."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "headers": {"content-type": "application/json"},
                "body": {"ticket_id": "5158", "status": "Solved"},
            }
        },
    )

    headers: Annotated[dict[HeaderName, Annotated[str, Field(max_length=4000)]],
                       Field(max_length=100)] = Field(default={})  # fmt: skip
    body: Any = Field(description="A text is taken as it is, anything else as JSON.")


class PreviewedInteraction(BaseModel):
    """An interaction that a webhook would make."""

    type: str
    source: str
    external_id: str
    ticket: str | None
    order: str | None
    touchpoint: str | None
    occurred_at: dt.datetime
    customer: dict[str, Any] | None
    locale: str | None
    value: dict[str, Any] | None
    properties: dict[str, Any]
    test: bool


class WebhookPreviewOut(BaseModel):
    """What a webhook would become; nothing is stored."""

    interactions: list[PreviewedInteraction]
    skipped: str | None = Field(description="Why it makes none.")
    notes: list[str] = Field(description="What was left out, because it could not be read.")
    signature: Literal["ok", "wrong", "absent"]


class WriteBackIn(Body):
    """Where scores go: a private note and tags on the ticket, never its status."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "base_url": "https://acme.zendesk.com",
                "auth": {"user": "bot@acme.example", "token": "the-token-of-the-bot"},
            }
        },
    )

    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^?#\s]+$", max_length=300)]
    auth: "WriteBackAuth"
    account_id: int | None = Field(default=None, ge=1, description="Chatwoot's account.")
    tags: bool = Field(default=True, description="Also add a tag such as `ces_easy` (Zendesk).")


class WriteBackAuth(Body):
    """How to sign in there: an API token, with its user where the helpdesk wants one."""

    user: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = None
    token: Annotated[str, StringConstraints(pattern=r"^[!-~]{8,500}$")]


class WriteBackOut(BaseModel):
    """One answer on its way onto its ticket."""

    response: UUID
    ticket: str
    status: Literal["pending", "delivered", "failed"]
    attempts: list[dict[str, Any]]
    created_at: dt.datetime
    updated_at: dt.datetime
