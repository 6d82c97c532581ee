# SPDX-License-Identifier: Apache-2.0
"""What the API says of a survey and its versions."""

import datetime as dt
from uuid import UUID

from pydantic import BaseModel, Field

from app.surveys.schemas import Question, SurveyMetric, SurveyStatus, SurveyTexts


class SurveyOut(BaseModel):
    """A survey with the content of its latest version, which may be a draft still."""

    id: UUID
    key: str
    name: str
    metric: SurveyMetric
    touchpoint: str | None
    default_locale: str
    questions: list[Question]
    texts: SurveyTexts
    one_answer_per: str | None
    follow_up_below: int | None
    status: SurveyStatus
    version: int = Field(description="Number of the version shown.")
    published_version: int | None = Field(description="Number of the version being answered.")
    public_id: str
    created_at: dt.datetime
    updated_at: dt.datetime


class SurveyVersionOut(BaseModel):
    """One version of a survey, and how its questions differ from the version before."""

    version: int
    published_at: dt.datetime | None = Field(description="Null for a draft.")
    questions: int = Field(description="How many it has.")
    added: list[str] = Field(description="Keys of questions that the version before did not have.")
    removed: list[str] = Field(description="Keys of questions that the version before had.")
    changed: list[str] = Field(description="Keys of questions of which anything else differs.")


class SurveyVersions(BaseModel):
    """All versions of a survey, the newest first."""

    data: list[SurveyVersionOut]
