"""Bodies of integrations and their events."""

import datetime as dt
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from app.core.text import Slug
from app.integrations.mapping_rules import check_condition, check_rule
from app.integrations.presets import PRESETS
from app.integrations.registry import SourceName
from app.integrations.signatures import Algorithm, Encoding, Part, Scheme
from app.integrations.statuses import TYPES, fold
from app.interactions.schemas import TouchpointKey
from app.workspaces.schemas import Body, Zone

Secret = Annotated[str, StringConstraints(min_length=8, max_length=500)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]


Rule = Annotated[
    Any,
    AfterValidator(check_rule),
    WithJsonSchema({
        "title": "Rule",
        "description": "A JSON pointer (`/order/id`, `root:/x`), `header:Name`, an object such as "
        '`{"const": "x"}`, `{"template": "{/id}:{/status}"}` or `{"map": {…}, "of": RULE}`, or a '
        "list of rules: the first that finds something.",
        "anyOf": [
            {"type": "string"},
            {"type": "object", "additionalProperties": True},
            {"type": "array", "items": {}},
        ],
    }),
]  # fmt: skip
Condition = Annotated[
    dict[str, Any],
    AfterValidator(check_condition),
]
ItemsPointer = Annotated[str, StringConstraints(pattern=r"^((root:)?/.*)?$", max_length=300)]


class IntegrationMapping(Body):
    """Where in a body lies what. What is left out is not read."""

    type: Rule
    external_id: Rule | None = Field(
        default=None,
        description="The sender's id of this event. Left out, the time tells one event of a "
        "ticket or order from the next.",
    )
    ticket: Rule | None = None
    order: Rule | None = None
    occurred_at: Rule | None = None
    touchpoint: Rule | None = None
    locale: Rule | None = None
    test: Rule | None = Field(default=None, description="True, `test` or `sandbox`: a test.")
    customer: dict[Literal["external_id", "email", "name", "locale"], Rule] = Field(default={})
    value: dict[Literal["amount", "currency"], Rule] = Field(default={})
    properties: Annotated[
        dict[Annotated[str, StringConstraints(max_length=64)], Rule], Field(max_length=32)
    ] = Field(default={})
    when: Condition | None = Field(
        default=None,
        description="`{pointer, op, value}`, or `all` and `any` of such; else it is skipped.",
    )
    items: ItemsPointer | None = Field(
        default=None,
        description="An array of which each member makes one interaction; empty: the body itself.",
    )

    @model_validator(mode="after")
    def _tells_one_event_from_the_next(self) -> Self:
        if self.external_id is None and self.ticket is None and self.order is None:
            msg = "external_id: is required where neither `ticket` nor `order` is mapped"
            raise ValueError(msg)
        return self


class IntegrationMappingWithMore(IntegrationMapping):
    """A mapping that may make further interactions of the same body."""

    also: list[IntegrationMapping] = Field(
        default=[], max_length=10, description="Further mappings of the same body or member."
    )


class CombinedSignature(Body):
    """A header that holds time and signatures, such as `t=…,v1=…`."""

    timestamp: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,20}$")]
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,20}$")]
    separator: Annotated[str, StringConstraints(min_length=1, max_length=3)] = ","
    joiner: Annotated[str, StringConstraints(max_length=5)] = "."


class Signature(Body):
    """How the sender signs; left out, its URL carries a token."""

    scheme: Scheme = Field(
        default="hmac",
        description="`standard_webhooks` needs nothing else, `rsa` a `public_key`; `token`: it "
        "does not sign, and its URL carries a token.",
    )
    header: HeaderName | None = Field(
        default=None, description="Where the signature stands; required but for standard_webhooks."
    )
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: Annotated[str, StringConstraints(max_length=30)] = ""
    timestamp_header: HeaderName | None = Field(
        default=None, description="Signed before the body, and at most 300 s old."
    )
    joiner: Annotated[str, StringConstraints(max_length=5)] = Field(
        default="", description="Between timestamp and body, or between the parts."
    )
    combined: CombinedSignature | None = None
    parts: list[Part] = Field(
        default=[], max_length=4, description="What is signed, in this order; default: the body."
    )
    public_key: Annotated[str, StringConstraints(max_length=5000)] | None = Field(
        default=None, description="PEM, for `rsa`."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.header is None and self.scheme in {"hmac", "rsa"}:
            msg = "header: is required"
            raise ValueError(msg)
        if (self.scheme == "rsa") is not (self.public_key is not None):
            msg = "public_key: `rsa` needs one, and only `rsa` takes one"
            raise ValueError(msg)
        if self.public_key is not None:
            _check_key(self.public_key)
        if self.parts and "body" not in self.parts:
            msg = "parts: must hold `body`; else nobody knows who wrote it"
            raise ValueError(msg)
        if "timestamp" in self.parts and self.timestamp_header is None and self.combined is None:
            msg = "parts: `timestamp` needs a `timestamp_header` or `combined`"
            raise ValueError(msg)
        return self

    def stored(self) -> dict[str, Any]:
        """Return it as it is kept: what is given and what it means by default."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def _check_key(pem: str) -> None:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        msg = "public_key: is no RSA public key in PEM (`-----BEGIN PUBLIC KEY-----`)"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns it into a field's error


def _is_meaning(value: str) -> str:
    if value not in TYPES and not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", value):
        msg = f"must be one of {', '.join(TYPES)}, or an interaction type such as ticket.solved"
        raise ValueError(msg)
    return value


def _names_each_status_once(value: dict[str, str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for status in value:
        if (other := seen.setdefault(fold(status), status)) != status:
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
        default=None, description="Of interactions that name none."
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
        description='What its statuses mean, such as `{"Gelöst": "solved"}`; before all we know.',
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
    """A status that nobody has mapped, with the deliveries that wait for that."""

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
    notes: list[str] = Field(description="What was left out, because it could not be read.")
    interactions: list[UUID]
    received_at: dt.datetime
    translated_at: dt.datetime | None


class InboundWithBody(InboundOut):
    """One delivery as it came."""

    headers: dict[str, str]
    body: str


class DeliveryPreviewIn(Body):
    """A delivery to try: its headers, and its body as text or as JSON."""

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
    """An interaction that a delivery would make."""

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


class DeliveryPreviewOut(BaseModel):
    """What a delivery would become; nothing is stored."""

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
