# SPDX-License-Identifier: Apache-2.0
"""Every question type, in every length, is read by the `bi` views as the API reads it."""

import json
from typing import Any

import asyncpg
import pytest

from app.surveys.question_types import TYPES_WITHOUT_SCALE, QuestionType, spec_of
from tests.bi.conftest import BiCompany
from tests.question_types import answers_to, every_scale
from tests.service import Service

# What the counts of a metric's figure are called at either end.
ENDS = {
    "nps": ("promoters", "detractors"),
    "csat": ("satisfied", "dissatisfied"),
    "ces": ("easy", "hard"),
    "yes_no": ("yes", "no"),
    "expectation": ("better", "worse"),
    "emotion": ("positive", "negative"),
}
QUESTIONS = [
    {"key": f"q{number}", "text": {"en": "?"}, "driver": f"d{number}"} | question
    for number, question in enumerate(every_scale())
]
MEASURED = {
    question["key"]: metric
    for question in QUESTIONS
    if (metric := spec_of(QuestionType(question["type"])).metric)
}


@pytest.fixture(scope="module")
def company(service: Service) -> BiCompany:
    """A company with a survey of every question, each answered in every way."""
    company = BiCompany(service, "every")
    company.furnish()
    company.sql = company.role()
    body = {"key": "every", "name": "Every", "metric": "custom", "questions": QUESTIONS}
    with company.client as client:
        client.post("/v1/surveys", json=body).raise_for_status()
        client.post("/v1/surveys/every/publish").raise_for_status()
        lines = [
            {"survey": "every", "channel": "api", "answers": {question["key"]: answer},
             "properties": {"store": "W"}, "responded_at": "2026-01-05T10:00:00Z"}
            for question in QUESTIONS
            # Each answer another number of times, so that no wrong count is of the same size.
            for often, answer in enumerate(answers_to(question), start=1)
            for _ in range(often)
        ]  # fmt: skip
        reply = client.post("/v1/responses/batch", json=lines).json()
        assert reply["accepted"] == len(lines), reply
    return company


async def rows_of(company: BiCompany, query: str) -> list[Any]:
    connection = await asyncpg.connect(company.sql)
    try:
        rows: list[Any] = await connection.fetch(query)
        return rows
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "view", ["figures_daily", "metric_daily", "metric_daily_by_segment"]
)  # fmt: skip
async def test_every_question_counts_in_its_metric(company: BiCompany, view: str) -> None:
    rows = await rows_of(
        company, f"select distinct question, metric from bi.{view} where survey = 'every'"
    )
    assert {row["question"]: row["metric"] for row in rows} == MEASURED


async def test_the_ends_of_every_scale_are_those_of_the_api(company: BiCompany) -> None:
    rows = await rows_of(
        company,
        "select question, sum(favourable) as favourable, sum(unfavourable) as unfavourable, "
        "sum(responses) as n from bi.figures_daily where survey = 'every' group by 1",
    )
    assert {row["question"] for row in rows} == set(MEASURED)
    for row in rows:
        metric = MEASURED[row["question"]]
        total = company.figure(metric, survey="every", question=row["question"])["total"]
        assert row["n"] == total["n"] > 0
        if metric == "choice":
            assert (row["favourable"], row["unfavourable"]) == (None, None)
        elif metric == "rating":
            share = 100 * float(row["favourable"]) / float(row["n"])
            assert share == pytest.approx(total["top_box_share"])
        else:
            assert metric in ENDS, f"name the ends of {metric} in ENDS"
            favourable, unfavourable = (total["counts"][name] for name in ENDS[metric])
            ends = (row["favourable"], row["unfavourable"])
            assert ends == (favourable, unfavourable), (metric, row["question"])


@pytest.mark.parametrize("view", ["metric_daily", "metric_daily_by_segment"])
async def test_columns_of_one_metric_are_those_of_the_api(company: BiCompany, view: str) -> None:
    columns = {"nps": ("promoters", "passives", "detractors"),
               "csat": ("satisfied", "dissatisfied"), "ces": ("easy",)}  # fmt: skip
    for metric, names in columns.items():
        sums = ", ".join(f"sum({name}) as {name}" for name in names)
        rows = await rows_of(
            company, f"select question, {sums} from bi.{view} where survey = 'every' "
            f"and metric = '{metric}' group by 1",
        )  # fmt: skip
        assert rows
        for row in rows:
            total = company.figure(metric, survey="every", question=row["question"])["total"]
            assert [row[name] for name in names] == [total["counts"][name] for name in names]


async def test_every_scale_has_its_mean_in_the_wide_view(company: BiCompany) -> None:
    with company.client as client:
        reply = client.get("/v1/exports/answers_wide", params={"format": "ndjson"})
    exported = {
        row["id"]: row["drivers"] for row in map(json.loads, reply.text.splitlines())
        if row["survey"] == "every"
    }  # fmt: skip
    rows = await rows_of(company, "select id, drivers from bi.answers_wide where survey = 'every'")
    viewed = {str(row["id"]): json.loads(row["drivers"] or "null") for row in rows}
    assert viewed == exported
    means: dict[str, list[float]] = {}
    for drivers in viewed.values():
        for name, mean in (drivers or {}).items():
            means.setdefault(name, []).append(mean)
    scaled = [item for item in QUESTIONS if item["type"] not in TYPES_WITHOUT_SCALE]
    assert set(means) == {question["driver"] for question in scaled}
    for question in scaled:
        count = len(answers_to(question))
        steps = [100 * step / (count - 1) for step in range(count)]
        values = means[question["driver"]]
        assert sorted(set(values)) == pytest.approx(steps, abs=1e-4)
        assert len(values) == count * (count + 1) / 2
