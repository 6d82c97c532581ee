# SPDX-License-Identifier: Apache-2.0
"""Routes of surveys."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import SessionDep, TransactionDep, router
from app.surveys import deletion, service
from app.surveys.catalogue import Catalogue
from app.surveys.models import Survey
from app.surveys.reply_schemas import SurveyOut, SurveyVersions
from app.surveys.schemas import (
    Definition,
    DuplicateIn,
    SurveyIn,
    SurveyPatch,
    SurveyStatus,
)
from app.workspaces.admission import Reader, SurveyLister, SurveyReader, Writer

routes = router("Surveys")

SurveyParam = Annotated[str, Path(min_length=1, max_length=64, description="Id or key.")]


def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]


def _survey_out(survey: Survey, definition: Definition, version: int | None = None) -> SurveyOut:
    return SurveyOut(
        **survey.model_dump(include=set(SurveyOut.model_fields) - {"name"}),
        **definition.model_dump(),
        version=version or survey.latest_version,
    )


@routes.post("/v1/surveys", status_code=201, summary="Make a survey")
async def create_survey(session: SessionDep, caller: Writer, body: SurveyIn) -> SurveyOut:
    """Make a draft from questions of your own or from a template; publish it to take responses."""
    return _survey_out(*await service.create(session, caller.workspace_id, body))


@routes.get("/v1/surveys", summary="List surveys")
async def list_surveys(
    session: SessionDep,
    caller: SurveyLister,
    status: Annotated[SurveyStatus | None, Query(description="Only surveys in this state.")] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[SurveyOut]:
    """Return surveys with their latest content, newest first."""
    rows = await service.find_page(
        session, caller.workspace_id, status=status, limit=limit, cursor=cursor
    )
    return page_of(
        rows,
        limit,
        position=lambda row: (row[0].created_at, row[0].id),
        show=lambda row: _survey_out(*row),
    )


@routes.get("/v1/surveys/{survey}", summary="Read a survey")
async def get_survey(session: SessionDep, caller: SurveyReader, survey: SurveyParam) -> SurveyOut:
    """Return a survey with its latest content; a publishable key sees only what is published."""
    return _survey_out(*await service.read(session, caller, survey))


@routes.get("/v1/surveys/{survey}/versions", summary="List a survey's versions")
async def list_versions(session: SessionDep, caller: Reader, survey: SurveyParam) -> SurveyVersions:
    """Return all versions of a survey, and which questions each added, removed or changed."""
    row = await service.find(session, caller.workspace_id, survey)
    return SurveyVersions(data=await service.versions_of(session, row))


@routes.patch("/v1/surveys/{survey}", summary="Change a survey's draft")
async def update_survey(
    session: SessionDep, caller: Writer, survey: SurveyParam, body: SurveyPatch
) -> SurveyOut:
    """Change the draft; questions are replaced whole. What is published stays until you publish."""
    return _survey_out(*await service.change(session, caller.workspace_id, survey, body))


@routes.post("/v1/surveys/{survey}/publish", summary="Publish a survey")
async def publish_survey(
    transaction: TransactionDep, caller: Writer, catalogue: CatalogueDep, survey: SurveyParam
) -> SurveyOut:
    """Make the latest version the one that is answered; a closed survey opens again."""
    transaction.after_commit.append(catalogue.forget)
    return _survey_out(*await service.publish(transaction.session, caller.workspace_id, survey))


@routes.post("/v1/surveys/{survey}/duplicate", status_code=201, summary="Duplicate a survey")
async def duplicate_survey(
    session: SessionDep, caller: Writer, survey: SurveyParam, body: DuplicateIn
) -> SurveyOut:
    """Make a draft with the same questions and texts, under another key."""
    return _survey_out(*await service.duplicate(session, caller.workspace_id, survey, body))


@routes.post("/v1/surveys/{survey}/close", summary="Close a survey")
async def close_survey(
    transaction: TransactionDep, caller: Writer, catalogue: CatalogueDep, survey: SurveyParam
) -> SurveyOut:
    """Take no new responses; those that exist may still grow."""
    transaction.after_commit.append(catalogue.forget)
    return _survey_out(*await service.close(transaction.session, caller.workspace_id, survey))


@routes.delete("/v1/surveys/{survey}", status_code=204, summary="Delete a survey")
async def delete_survey(
    transaction: TransactionDep, caller: Writer, catalogue: CatalogueDep, survey: SurveyParam
) -> None:
    """Delete a survey that nobody has answered; close one that has responses."""
    transaction.after_commit.append(catalogue.forget)
    await deletion.delete(transaction.session, caller.workspace_id, survey)
