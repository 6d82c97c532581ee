# SPDX-License-Identifier: Apache-2.0
"""Bodies of workspaces and keys."""

import datetime as dt
import itertools
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.core.text_types import Email, Line, Slug
from app.core.zones import is_zone
from app.workspaces.colours import PAPER, can_be_seen, nearest_seen
from app.workspaces.scopes import Scope

_PERSONAL = {"email", "mail", "e_mail", "name", "first_name", "last_name", "phone", "customer"}
_PERSONAL |= {"customer_id", "user", "user_id", "address", "ip"}


def _require_zone(value: str) -> str:
    if not is_zone(value):
        msg = "is not an IANA time zone, such as Europe/Warsaw"
        raise ValueError(msg)
    return value


def _require_impersonal(value: str) -> str:
    if value.lower() in _PERSONAL:
        msg = "names a person; a segment is a property that many customers share"
        raise ValueError(msg)
    return value


def _require_origin(value: str) -> str:
    scheme, separator, host = value.partition("://")
    well_formed = (
        separator and scheme in {"http", "https"} and host and not set(host) & set("/?#@ ")
    )
    if value != "null" and not (well_formed and value == value.lower()):
        msg = "must be an origin such as https://shop.example, or null"
        raise ValueError(msg)
    return value


def _in_utc(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        msg = "needs a zone, such as 2027-01-01T00:00:00Z"
        raise ValueError(msg)
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        msg = "is out of range"
        raise ValueError(msg) from None


def _require_time_text(value: object) -> object:
    if not isinstance(value, str | dt.datetime):
        msg = "must be a time such as 2027-01-01T00:00:00Z"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns it into a field's error
    return value


Moment = Annotated[dt.datetime, BeforeValidator(_require_time_text), AfterValidator(_in_utc)]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_require_zone)]
Origin = Annotated[str, StringConstraints(max_length=300), AfterValidator(_require_origin)]
Segment = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$"),
    AfterValidator(_require_impersonal),
]
Locale = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)
]


def _require_order(value: list[str]) -> list[str]:
    opens, closes = value
    if not opens < closes:
        msg = "must open before it closes; write a night as two days, until 24:00 and from 00:00"
        raise ValueError(msg)
    return value


ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
OpeningHours = Annotated[
    list[ClockTime], Field(min_length=2, max_length=2), AfterValidator(_require_order)
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Body(BaseModel):
    """A request body: unknown fields are refused, so that a typo is seen."""

    model_config = ConfigDict(extra="forbid")


class Recount(BaseModel):
    """Progress of counting older answers under a changed time zone or other segments."""

    done: int
    of: int


class BusinessHours(Body):
    """The company's working hours, by which business time is computed."""

    timezone: Zone | None = Field(default=None, description="Default: the workspace's.")
    weekly: dict[Weekday, Annotated[list[OpeningHours], Field(max_length=10)]]
    holidays: list[dt.date] = Field(default=[], max_length=1000)

    @model_validator(mode="after")
    def _no_overlaps(self) -> Self:
        for day, hours in self.weekly.items():
            ordered = sorted(hours)
            if any(earlier[1] > later[0] for earlier, later in itertools.pairwise(ordered)):
                msg = f"the hours of `{day}` overlap"
                raise ValueError(msg)
        return self


class Throttle(Body):
    """The least time between two invitations of one customer."""

    days: int = Field(ge=1, le=3650)
    scope: Literal["workspace", "survey", "metric"] = Field(
        default="workspace", description="Between any two, two of one survey, or two of one metric."
    )


class WordOfMouth(Body):
    """How many people a customer is assumed to tell; used by the insight `word-of-mouth`."""

    told_by_satisfied: float = Field(ge=0, le=1000, allow_inf_nan=False)
    told_by_dissatisfied: float = Field(ge=0, le=1000, allow_inf_nan=False)


class MailSettings(Body):
    """How mails of this workspace are signed."""

    from_name: Line | None = None
    from_email: Email | None = None
    reply_to: Email | None = None
    footer: Annotated[str, StringConstraints(max_length=1000)] | None = None


def _require_visible(value: str) -> str:
    value = value.lower()
    if not can_be_seen(value):
        seen = nearest_seen(value, PAPER)
        msg = f"has too little contrast on white (WCAG 2.2 asks for 3:1); {seen} has enough"
        raise ValueError(msg)
    return value


Colour = Annotated[
    str,
    StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$"),
    AfterValidator(_require_visible),
]


class Brand(Body):
    """How the company looks on pages, in mails and in the widget."""

    name: Line | None = Field(default=None, description="Default: the workspace's name.")
    colour: Colour | None = Field(default=None, description="`#rrggbb`, to be seen on white.")
    logo_url: Annotated[str, StringConstraints(max_length=500)] | None = Field(
        default=None,
        description="PNG, JPEG or WebP of at most 200 KB; fetched once and served from here.",
    )


class IdentitySecretOut(BaseModel):
    """The secret by which your backend proves to us who a browser's customer is."""

    secret: str = Field(description="Shown this once.")
    old_secret_until: dt.datetime | None


class WorkspaceOut(BaseModel):
    """A workspace with its settings."""

    id: UUID
    key: str
    name: str
    timezone: str
    default_locale: str
    allowed_origins: list[str]
    segments: list[str]
    min_group_size: int
    business_hours: BusinessHours | None
    throttle: Throttle | None
    require_consent: bool
    retention_days: int | None
    word_of_mouth: WordOfMouth | None
    mail: MailSettings
    brand: Brand
    recount: Recount | None
    created_at: dt.datetime


class WorkspacePatch(Body):
    """Settings to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"timezone": "Europe/Warsaw", "segments": ["store", "plan"]}},
    )

    name: Line = Field(default="")
    timezone: Zone = Field(default="", description="IANA name; days begin in it.")
    default_locale: Locale = Field(default="")
    allowed_origins: list[Origin] = Field(
        default=[], max_length=100, description="Pages whose browsers may use publishable keys."
    )
    segments: list[Segment] = Field(
        default=[], max_length=4, description="Properties that figures can be grouped by."
    )
    min_group_size: int = Field(
        default=1, ge=1, le=1000, description="Smaller groups are shown without a value."
    )
    business_hours: BusinessHours | None = None
    throttle: Throttle | None = Field(
        default=None,
        description="For triggers without a throttle of their own, and for invitations by the API.",
    )
    require_consent: bool = Field(
        default=False, description="Ask only customers whose `consent.surveys` is true."
    )
    retention_days: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=36_500,
        description="Customers without activity for so many days are erased; null: never.",
    )
    word_of_mouth: WordOfMouth | None = Field(
        default=None,
        description="How many people a customer tells; null: 1 if satisfied, 10 if not.",
    )
    mail: MailSettings = MailSettings()
    brand: Brand = Brand()


class WorkspaceIn(Body):
    """A new workspace."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "Acme", "key": "acme"}}
    )

    name: Line
    key: Slug


class NewKey(BaseModel):
    """The first key of a new workspace."""

    id: UUID
    scopes: list[Scope]
    secret: str = Field(description="Shown this once.")


class NewWorkspaceOut(WorkspaceOut):
    """A new workspace with its first admin key."""

    api_key: NewKey


class ApiKeyIn(Body):
    """A new key."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "checkout", "scopes": ["write"]}},
    )

    name: Line
    scopes: list[Scope] = Field(min_length=1, max_length=7)
    expires_at: Moment | None = None
    test: bool = Field(default=False, description="All that it writes is marked `test: true`.")
    survey: str | None = Field(
        default=None,
        max_length=64,
        description="Key or id of the only survey that it may answer; Delighted's routes use it.",
    )
    rate_limit: int | None = Field(default=None, ge=1, le=100_000, description="Requests a second.")

    @model_validator(mode="after")
    def _publishable_stands_alone(self) -> Self:
        self.scopes = list(dict.fromkeys(self.scopes))
        if Scope.COLLECT in self.scopes and set(self.scopes) != {Scope.COLLECT}:
            msg = "`collect` is public and cannot be joined with another scope; make two keys"
            raise ValueError(msg)
        return self


class ApiKeyOut(BaseModel):
    """A key as it is listed: its secret is never shown again."""

    id: UUID
    name: str
    scopes: list[Scope]
    hint: str = Field(description="How the secret begins.")
    test: bool
    survey: str | None
    rate_limit: int | None
    bootstrap: bool
    expires_at: dt.datetime | None
    created_at: dt.datetime


class MyWorkspace(BaseModel):
    """The workspace that a key belongs to."""

    id: UUID
    key: str
    name: str
    timezone: str
    default_locale: str


class MyKey(BaseModel):
    """The key itself; never its secret."""

    id: UUID
    name: str
    scopes: list[Scope] = Field(description="With all that they contain.")
    test: bool
    survey: str | None = Field(description="The only survey it may use.")
    expires_at: dt.datetime | None


class MeOut(BaseModel):
    """Who calls: the key, and the workspace that it belongs to."""

    workspace: MyWorkspace
    key: MyKey


class ApiKeyWithSecret(ApiKeyOut):
    """A key with its secret, shown this once."""

    secret: str
    old_secret_until: dt.datetime | None = None
