# SPDX-License-Identifier: Apache-2.0
"""The published questions of surveys, and which surveys an insight can combine."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.errors import InvalidInput
from app.core.schema import Json
from app.core.text_types import did_you_mean
from app.insights.request import (
    NO_OUTCOME,
    RESPONSE_TOUCHPOINT,
    TOO_FEW,
    InsightRefusal,
    InsightRequest,
    ResponseQuery,
)
from app.surveys.question_types import TYPES_WITHOUT_SCALE, QuestionType, spec_of, traits_of

# The end of the warning that an insight is of some surveys only.
NAME_SURVEY = "Name one by `survey=`."


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """One scored question as it was last published."""

    key: str
    type: QuestionType
    scale: str
    high: int
    # The lowest score that is favourable; None for questions without a scale.
    favourable_from: int | None
    main: bool
    recommends: bool
    reverse: bool
    driver: str | None
    pillar: str | None
    module: str | None
    touchpoint: str | None = None
    # The versions that ask it; empty if an older program, which stored none, published it.
    versions: Sequence[int] = ()
    # Whether the filters `question`, `touchpoint` and `stage` may mean its answers.
    is_wanted: bool = True
    options: list[dict[str, Any]] = field(default_factory=list)

    def is_asked_in(self, version: int) -> bool:
        """Whether a version of the survey asks it."""
        return not self.versions or version in self.versions

    @property
    def low(self) -> int:
        """The lowest score of its scale."""
        return traits_of(self.type).lowest_score

    @property
    def metric(self) -> str | None:
        """The metric that reads it."""
        return "nps" if self.recommends else spec_of(self.type).metric

    @property
    def is_number(self) -> bool:
        """Whether its score lies on a scale from low to high."""
        return self.type not in TYPES_WITHOUT_SCALE


@dataclass(frozen=True, slots=True)
class SurveyQuestions:
    """A survey, and the questions that were asked in the request's span.

    `outcome` is the question that the insight explains, `versions` has the answers of each
    version, and `n` all of them.
    """

    id: UUID
    key: str
    items: Sequence[ScoredQuestion]
    outcome: ScoredQuestion | None
    versions: Mapping[int, int]

    @property
    def n(self) -> int:
        """How many answers there are."""
        return sum(self.versions.values())

    def is_current(self, item: ScoredQuestion) -> bool:
        """Whether the newest version with answers here still asks a question."""
        return item.is_asked_in(max(self.versions))


def only_survey(surveys: Sequence[SurveyQuestions]) -> str | None:
    """Return the key of the survey if there is one only."""
    return surveys[0].key if len(surveys) == 1 else None


_ITEMS = """
select q.survey_id, s.key as survey, q.key, q.type, q.scale, q.high, q.favourable_from, q.main,
  q.recommends,
  q.reverse, q.driver, q.pillar, q.module, q.options, q.touchpoint, q.versions,
  {is_wanted} as is_wanted
from question q join survey s on s.workspace_id = q.workspace_id and s.id = q.survey_id
where q.workspace_id = :workspace order by s.key, q.key
"""


async def surveys_of(
    session: AsyncSession, request: InsightRequest, *, outcome: str | None = None
) -> list[SurveyQuestions]:
    """Return the surveys that have answers in the request's span, those with most answers first.

    `outcome` names the question to explain; without it each survey's main question is taken.
    """
    query = ResponseQuery(request)
    at = query.touchpoint_sql(RESPONSE_TOUCHPOINT) or "true"
    counted = await run_sql(
        session,
        text(
            "select r.survey_id, r.survey_version, count(*) as n, "
            f"count(*) filter (where {at}) as n_at {query.source()} group by 1, 2"
        ).bindparams(**query.bound),
    )
    versions: dict[UUID, dict[int, int]] = defaultdict(dict)
    n_at: Counter[UUID] = Counter()
    for row in counted:
        versions[row.survey_id][row.survey_version] = row.n
        n_at[row.survey_id] += row.n_at
    rows = await _read_items(session, request)
    items_by_survey: dict[UUID, tuple[str, list[ScoredQuestion]]] = {}
    for row in rows:
        values = dict(row._mapping)
        survey_id, survey = values.pop("survey_id"), values.pop("survey")
        if values["touchpoint"] is None and not n_at[survey_id]:
            # It has the touchpoint of its response, and no response is there.
            values["is_wanted"] = False
        item = ScoredQuestion(**values | {"type": QuestionType(values["type"])})
        items_by_survey.setdefault(survey_id, (survey, []))[1].append(item)
    if outcome is not None:
        _require_outcome(outcome, [item for _, items in items_by_survey.values() for item in items])
    surveys = []
    for id_, (key, all_items) in items_by_survey.items():
        if id_ in versions:
            items = [item for item in all_items if any(map(item.is_asked_in, versions[id_]))]
            surveys.append(
                SurveyQuestions(id_, key, items, _outcome_question(items, outcome), versions[id_])
            )
    return sorted(surveys, key=lambda survey: (-survey.n, survey.key))


async def _read_items(session: AsyncSession, request: InsightRequest) -> Sequence[Any]:
    """Return the questions of all surveys, and whether the filters may mean their answers."""
    query = ResponseQuery(request)
    query.bound = {"workspace": request.metric_request.workspace.id}
    at = query.touchpoint_sql("q.touchpoint")
    conditions = [query.question_sql("q.key"), f"(q.touchpoint is null or {at})" if at else ""]
    is_wanted = " and ".join(filter(None, conditions)) or "true"
    statement = text(_ITEMS.format(is_wanted=is_wanted)).columns(options=Json)
    return list(await run_sql(session, statement.bindparams(**query.bound)))


def _require_outcome(name: str, items: Sequence[ScoredQuestion]) -> None:
    keys = [item.key for item in items if item.is_number]
    if name not in keys:
        msg = f"`{name[:64]}` is not a scored question of these surveys{did_you_mean(name, keys)}"
        raise InvalidInput.at("query", "outcome", msg=msg)


def _outcome_question(
    items: Sequence[ScoredQuestion], outcome: str | None
) -> ScoredQuestion | None:
    """Return the question of that key, else the main one; the newest if a survey changed it."""
    candidates = [
        item for item in items if (item.key == outcome if outcome is not None else item.main)
    ]
    return max(candidates, key=lambda item: max(item.versions, default=0), default=None)


def outcome_of(surveys: Sequence[SurveyQuestions]) -> dict[str, Any] | None:
    """Return the outcome that comparable surveys share; the question if they have one key."""
    outcomes = [survey.outcome for survey in surveys if survey.outcome is not None]
    if not outcomes:
        return None
    keys = {outcome.key for outcome in outcomes}
    return {"question": keys.pop() if len(keys) == 1 else None, "metric": outcomes[0].metric}


def select_comparable(
    surveys: Sequence[SurveyQuestions], *, needed_n: int = 1
) -> tuple[list[SurveyQuestions], list[str]]:
    """Return the surveys whose outcome has one metric and scale, and a warning of the others.

    The metric and scale with most answers are taken; raise InsightRefusal if there is no survey
    with answers (`needed_n` are needed), or none with an outcome.
    """
    if not surveys:
        detail = "There is no answer here; choose a longer period or fewer filters."
        raise InsightRefusal(TOO_FEW, detail, n=0, needed_n=needed_n)
    sizes: dict[tuple[str | None, str], int] = {}
    for survey in surveys:
        if survey.outcome is not None:
            name = survey.outcome.metric, survey.outcome.scale
            sizes[name] = sizes.get(name, 0) + survey.n
    if not sizes:
        detail = (
            "No survey with answers here has a scored main question; ask one, or name another by "
            "`outcome=`."
        )
        raise InsightRefusal(NO_OUTCOME, detail)
    chosen = max(sizes, key=lambda name: (sizes[name], str(name)))
    comparable = [
        survey
        for survey in surveys
        if survey.outcome and (survey.outcome.metric, survey.outcome.scale) == chosen
    ]
    others = sorted(survey.key for survey in surveys if survey not in comparable)
    warnings = []
    if others:
        warnings.append(
            f"These figures are of {', '.join(s.key for s in comparable)} ({chosen[0]}, scale "
            f"{chosen[1]}). Left out, because their main question has another metric or scale: "
            f"{', '.join(others)}. {NAME_SURVEY}"
        )
    return comparable, warnings
