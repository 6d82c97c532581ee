# SPDX-License-Identifier: Apache-2.0
"""Bodies of touchpoints and journeys."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from app.core.text_types import MAX_TOUCHPOINT_CHARACTERS, TOUCHPOINT_KEY, Line, Slug
from app.workspaces.schemas import Body, Locale

TouchpointKey = Annotated[
    str,
    StringConstraints(
        pattern=f"^{TOUCHPOINT_KEY}$", min_length=1, max_length=MAX_TOUCHPOINT_CHARACTERS
    ),
]
Names = Annotated[dict[Locale, Line], Field(max_length=60)]
Note = Annotated[str, StringConstraints(max_length=4000)]


class Stage(StrEnum):
    """Where on the way a touchpoint stands."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class TouchpointIn(Body):
    """What is known of a kind of moment."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": {"en": "Checkout", "pl": "Kasa"},
                "stage": "during",
                "area": "sales",
                "online": True,
            }
        },
    )

    name: Names = Field(default={})
    stage: Stage | None = None
    area: Slug | None = Field(
        default=None,
        description="`marketing`, `sales`, `product`, `service`, `staff`, `word_of_mouth`, …",
    )
    online: bool | None = None
    owner: Line | None = Field(default=None, description="The person or team responsible for it.")
    controlled: bool | None = Field(default=None, description="Whether the company shapes it.")


class TouchpointOut(TouchpointIn):
    """A touchpoint; `declared: false` where only answers have named it so far."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=None)

    key: str
    declared: bool
    created_at: dt.datetime


class StepNotes(Body):
    """What the team knows of a step."""

    actions: Note | None = None
    questions: Note | None = None
    obstacles: Note | None = None
    emotions: Note | None = None


class Step(Body):
    """One touchpoint on the way."""

    touchpoint: TouchpointKey
    notes: StepNotes = StepNotes()


class JourneyIn(Body):
    """The ordered path of touchpoints."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": {"en": "Online purchase"},
                "steps": [{"touchpoint": "checkout", "notes": {"obstacles": "No guest checkout"}}],
            }
        },
    )

    name: Names = Field(default={})
    steps: list[Step] = Field(default=[], max_length=100)


class JourneyOut(JourneyIn):
    """A journey."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=None)

    key: str
    created_at: dt.datetime
