# SPDX-License-Identifier: Apache-2.0
"""Bodies of invitations, unsubscribes and bounces."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel

from app.core.parameters import PageCursor, PageLimit
from app.core.text_types import Email
from app.interactions.customer_schemas import AnyLocale, Properties, Short
from app.interactions.interaction_schemas import InteractionCustomer
from app.interactions.schemas import TouchpointKey
from app.workspaces.schemas import Body, Moment

# The longest time between what happened, or a request, and its invitation.
MAX_INVITATION_DELAY = dt.timedelta(days=366)


class InvitationStatus(StrEnum):
    """Where an invitation stands in its life."""

    SCHEDULED = "scheduled"
    SENT = "sent"
    STORED = "stored"
    OPENED = "opened"
    ANSWERED = "answered"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"


class InteractionRef(Body):
    """An interaction, by its source's own id."""

    source: Short
    external_id: Short


class InvitationIn(Body):
    """One customer to be asked one survey."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "survey": "after-order",
                "customer": {"external_id": "c-17", "email": "ala@example.pl", "locale": "pl"},
                "channel": "email",
            }
        },
    )

    survey: Annotated[str, Field(min_length=1, max_length=64)]
    customer: InteractionCustomer
    channel: Literal["email", "link"] = Field(
        description="`email`: we send it; `link`: you send the `url`."
    )
    send_at: Moment | None = Field(default=None, description="Default: now.")
    interaction: InteractionRef | UUID | None = Field(
        default=None, description="What it is about: the answer is attributed to it."
    )
    order: Short | None = None
    ticket: Short | None = None
    touchpoint: TouchpointKey | None = None
    locale: AnyLocale | None = None
    properties: Properties = Field(default={})
    ignore_throttle: bool = Field(default=False, description="For `admin` keys.")
    test: bool = False


class InvitationOut(BaseModel):
    """An invitation."""

    id: UUID
    survey: str
    customer_id: UUID | None
    email: str | None
    channel: str
    status: InvitationStatus
    reason: str | None
    detail: str | None
    trigger: UUID | None
    interaction: UUID | None
    order: str | None
    ticket: str | None
    touchpoint: str | None
    locale: str | None
    properties: dict[str, Any] = Field(description="Of the interaction, when it was decided.")
    value: dict[str, Any] | None
    test: bool
    send_at: dt.datetime
    sent_at: dt.datetime | None
    opened_at: dt.datetime | None
    answered_at: dt.datetime | None
    reminded_at: dt.datetime | None
    expires_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime
    url: str | None = Field(
        default=None, description="Of a link that you send; shown to keys that may write."
    )


class NewInvitationOut(InvitationOut):
    """A new invitation with its links."""

    url: str
    score_urls: dict[str, str] = Field(
        description="One link per score; the page opens with it chosen."
    )


class InvitationFilter(BaseModel):
    """Filters of the list of invitations."""

    status: InvitationStatus | None = None
    survey: str | None = Field(default=None, max_length=64)
    customer: str | None = Field(default=None, max_length=128)
    trigger: UUID | None = None
    order: str | None = Field(default=None, max_length=128)
    ticket: str | None = Field(default=None, max_length=128)
    test: bool = False
    limit: PageLimit = 50
    cursor: PageCursor = None


# A body that a provider writes, or plain addresses.
RAW_ADDRESSES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"type": "object", "additionalProperties": True},
                        {"type": "array", "items": {"type": "object"}},
                    ]
                },
                "example": {"email": "gone@example.pl"},
            }
        },
    }
}


class AddressIn(BaseModel):
    """An address."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"email": "gone@example.pl"}}
    )

    email: Email | None = None


class AddressesIn(RootModel[AddressIn | list[AddressIn]]):
    """One address or several."""

    model_config = ConfigDict(json_schema_extra={"example": {"email": "gone@example.pl"}})

    @property
    def entries(self) -> list[AddressIn]:
        """The addresses as a list."""
        return [self.root] if isinstance(self.root, AddressIn) else list(self.root)


class AddressesReport(BaseModel):
    """How many addresses are new on the list."""

    added: int
    ignored: int = Field(default=0, description="Reports that do not say that an address is dead.")


class SuppressedOut(BaseModel):
    """An address that gets no mails; null once its customer was erased."""

    email: str | None
    detail: str | None
    created_at: dt.datetime


def invitation_body(row: Any, *, survey: str) -> dict[str, Any]:
    """Return a stored invitation as the API shows it."""
    columns = {
        name: getattr(row, name) for name in InvitationOut.model_fields if hasattr(row, name)
    }
    return columns | {
        "survey": survey,
        "trigger": row.trigger_id,
        "interaction": row.interaction_id,
        "order": row.order_ref,
        "touchpoint": row.touchpoint or None,
        "properties": row.context.get("properties", {}),
        "value": row.context.get("value"),
    }
