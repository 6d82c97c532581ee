"""Bodies of integrations and their events."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.core.text import Line, Slug
from app.integrations.registry import SourceName
from app.interactions.schemas import TouchpointKey
from app.workspaces.schemas import Body

Secret = Annotated[str, StringConstraints(min_length=8, max_length=500)]
Pointer = Annotated[str, StringConstraints(max_length=300)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]


class TableRule(Body):
    """A pointer or constant whose value is looked up in a table."""

    pointer: Pointer | None = Field(default=None, description="RFC 6901, such as `/ticket/id`.")
    const: Line | None = None
    map: dict[str, Line] | None = Field(default=None, max_length=200)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.pointer is None) is (self.const is None):
            msg = "needs a `pointer` or a `const`, one of them"
            raise ValueError(msg)
        if self.pointer is not None and not self.pointer.startswith("/"):
            msg = "pointer: must begin with `/`"
            raise ValueError(msg)
        return self


Rule = Pointer | TableRule
Rules = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Rule], Field(max_length=32)
]


class Mapping(Body):
    """Where in a body lies what: a JSON pointer, a constant, or either through a table."""

    type: Rule
    external_id: Rule
    ticket: Rule | None = None
    order: Rule | None = None
    occurred_at: Rule | None = None
    touchpoint: Rule | None = None
    locale: Rule | None = None
    customer: dict[Literal["external_id", "email", "name", "locale"], Rule] = Field(default={})
    value: dict[Literal["amount", "currency"], Rule] = Field(default={})
    properties: Rules = Field(default={})


class Signature(Body):
    """How the sender signs; left out, its URL carries a token."""

    header: HeaderName
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, StringConstraints(max_length=30)] = ""
    timestamp_header: HeaderName | None = Field(
        default=None, description="Signed before the body, and at most 300 s old."
    )
    joiner: Annotated[str, StringConstraints(max_length=5)] = Field(
        default="", description="Between timestamp and body."
    )


class IntegrationPatch(Body):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"secret": "the secret Zendesk has shown"}}
    )

    secret: Secret | None = Field(default=None, description="The sender's own signing secret.")
    touchpoint: TouchpointKey | None = Field(
        default=None, description="Of interactions that name none."
    )
    mapping: Mapping | None = Field(default=None, description="For `generic`.")
    signature: Signature | None = Field(default=None, description="For `generic`.")


class IntegrationIn(IntegrationPatch):
    """A new sender."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"source": "zendesk", "touchpoint": "support"}},
    )

    source: SourceName
    key: Slug | None = Field(
        default=None, description="The `source` of its interactions; default: its name."
    )

    @model_validator(mode="after")
    def _generic_has_a_mapping(self) -> Self:
        if (self.source == SourceName.GENERIC) is (self.mapping is None):
            msg = "mapping: `generic` needs one, and only `generic` takes one"
            raise ValueError(msg)
        if self.signature is not None and self.source != SourceName.GENERIC:
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


class IntegrationOut(BaseModel):
    """A sender; its secrets are never shown."""

    id: UUID
    key: str
    source: SourceName
    url: str = Field(description="Where it sends; a token in it is shown once.")
    touchpoint: str | None
    mapping: dict[str, Any] | None
    signature: dict[str, Any] | None
    has_secret: bool = Field(description="Without one, deliveries wait unverified.")
    writes_back: bool
    old_secret_until: dt.datetime | None
    last_event_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime


class EventStatus(StrEnum):
    """What became of a delivery."""

    RECEIVED = "received"
    TRANSLATED = "translated"
    SKIPPED = "skipped"
    FAILED = "failed"


class InboundOut(BaseModel):
    """One delivery, with the reason where it became no interaction."""

    id: UUID
    delivery: str = Field(description="The sender's id of it.")
    status: EventStatus
    reason: str | None
    verified: bool
    interactions: list[UUID]
    received_at: dt.datetime
    translated_at: dt.datetime | None


class InboundWithBody(InboundOut):
    """One delivery as it came."""

    headers: dict[str, str]
    body: str


class WriteBackIn(Body):
    """Where scores go: a private note and tags on the ticket, never its status."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "base_url": "https://acme.zendesk.com",
                "auth": {"user": "bot@acme.example", "token": "…"},
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
