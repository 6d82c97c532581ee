# SPDX-License-Identifier: Apache-2.0
"""Surveys on the dashboard: the list, one survey's results and links, making one."""

from typing import Annotated, Any, get_args

from fastapi import Query
from starlette.responses import HTMLResponse, Response

from app.core.errors import NotFound
from app.core.routing import PropertiesDep, router
from app.metrics.registry import SCORE_METRICS
from app.pages.dashboard import figures
from app.pages.dashboard.answers import shown_answer
from app.pages.dashboard.charts import bars_of
from app.pages.dashboard.figure_context import figures_context
from app.pages.dashboard.filters import PageFilter, without_empty
from app.pages.dashboard.visit import ApiVisitDep, DashboardVisit, SnapshotVisitDep
from app.pages.rendering import MAIL_POLICY
from app.responses.queries import last_answer_by_survey
from app.surveys import service as surveys
from app.surveys.question_entries import metrics_of
from app.surveys.question_types import spec_of
from app.surveys.schemas import Definition, Question, TemplateName
from app.surveys.wording import in_language
from app.workspaces.colours import shades_of

routes = router("Dashboard")

SurveyViewDep = Annotated[PageFilter, Query()]


@routes.get("/surveys", include_in_schema=False)
async def show_surveys(visit: ApiVisitDep) -> HTMLResponse:
    """List the surveys: state, answers, figure, last answer."""
    rows = await visit.api.list("/v1/surveys")
    by_survey: dict[str, dict[str, Any]] = {}
    for metric in SCORE_METRICS:
        reply = await visit.api.get(f"/v1/metrics/{metric}", group_by="survey", period="all")
        by_survey |= {row["group"]["survey"]: row | {"metric": metric} for row in reply["rows"]}
    last = await last_answer_by_survey(visit.session, visit.workspace.id)
    return visit.render(
        "surveys", surveys=rows, figures=by_survey, last=last, write=figures.format_value
    )


@routes.get("/surveys/new", include_in_schema=False)
async def show_new_survey(visit: ApiVisitDep) -> HTMLResponse:
    """Offer the templates for a new survey."""
    brand = (await visit.api.get("/v1/workspace"))["brand"]
    return visit.render(
        "survey_new",
        templates=get_args(TemplateName),
        brand=brand,
        shades=shades_of(brand["colour"]),
    )


@routes.get("/surveys/{key}", include_in_schema=False)
async def show_survey(
    visit: SnapshotVisitDep, view: SurveyViewDep, values: PropertiesDep, key: str
) -> HTMLResponse:
    """Show one survey: its figures, the results of each question, where it can be answered."""
    properties = without_empty(values)
    survey = await surveys.find(visit.session, visit.workspace.id, key)
    version = survey.published_version or survey.latest_version
    definition = await surveys.definition_of(visit.session, survey, version)
    view = view.model_copy(update={"survey": survey.key})
    context = await figures_context(
        visit, view, properties, survey=survey.key,
        metrics={*metrics_of(definition), "response_rate"},
    )  # fmt: skip
    links: dict[str, Any] = {}
    if survey.published_version and not visit.shared:
        links = await visit.api.get(f"/v1/surveys/{survey.key}/links")
    return visit.render(
        "survey",
        title=survey.name,
        survey=survey,
        definition=definition,
        results=await results_of(visit, view, properties, definition)
        if survey.published_version
        else [],
        links=links,
        versions=[] if visit.shared else await versions_of(visit, survey.key),
        comments=[] if visit.shared else await comments_of(visit, view, properties, limit=10),
        **context,
    )


async def versions_of(visit: DashboardVisit, key: str) -> list[Any]:
    """Return the versions of a survey, as the API lists them."""
    rows: list[Any] = (await visit.api.get(f"/v1/surveys/{key}/versions"))["data"]
    return rows


async def comments_of(
    visit: DashboardVisit, view: PageFilter, properties: dict[str, list[str]], *, limit: int
) -> list[Any]:
    """Return the latest comments of a view, as the API lists them."""
    reply = await visit.api.get(
        "/v1/responses", has_comment="true", integrity="ok", limit=limit, order_by="responded_at",
        **await view.list_filters(visit, properties),
    )  # fmt: skip
    rows: list[Any] = reply["data"]
    return rows


async def results_of(
    visit: DashboardVisit,
    view: PageFilter,
    properties: dict[str, list[str]],
    definition: Definition,
) -> list[dict[str, Any]]:
    """Return the result of every question: its figure and how often each answer was given."""
    results = []
    for question in definition.questions:
        metric = spec_of(question.type).metric
        result: dict[str, Any] = {"question": question, "metric": metric, "n": None, "bars": None,
                                 "text": _text(visit, question, definition)}  # fmt: skip
        if metric is not None:
            reply = await figures.read(visit, view, metric, properties, question=[question.key])
            total = reply["total"]
            counts = [
                (shown_answer(visit, question, key, definition.default_locale), int(count))
                for key, count in total.get("distribution", {}).items()
            ]
            band = figures.band_reader(metric, reply.get("scale"))
            result |= {
                "n": total["n"], "bars": bars_of(counts, band) if counts and total["n"] else None,
                "value": figures.format_value(visit.texts, metric, total.get("value")),
                "interval": figures.interval_of(visit.texts, metric, total.get("ci")),
                "counts": counts,
            }  # fmt: skip
        results.append(result)
    return results


def _text(visit: DashboardVisit, question: Question, definition: Definition) -> str:
    text = in_language(question.text, visit.texts.language, definition.default_locale)
    return text or question.key


@routes.get("/surveys/{key}/qr.svg", include_in_schema=False)
async def show_qr(visit: ApiVisitDep, key: str) -> Response:
    """Show the QR code that leads to the survey's page."""
    reply = await visit.api.read(f"/v1/surveys/{key}/qr.svg")
    return Response(reply.content, media_type="image/svg+xml")


@routes.get("/surveys/{key}/mail", include_in_schema=False)
async def show_mail(visit: ApiVisitDep, key: str, lang: str = "") -> Response:
    """Show the mail of a survey, as it would be sent."""
    reply = await visit.api.read(f"/v1/surveys/{key}/email-preview", lang=lang)
    if "html" not in reply.headers.get("content-type", ""):
        raise NotFound("This survey's mail cannot be shown; save a valid draft first.")
    return HTMLResponse(reply.content, headers={"Content-Security-Policy": MAIL_POLICY})
