# SPDX-License-Identifier: Apache-2.0
"""Rows of questions that an older version has written are completed at the next start."""

from uuid import UUID

from sqlalchemy import text

from app.core.database import Database, run_sql
from app.surveys.question_entries import complete_entries
from app.surveys.question_types import QuestionType, display_fits, spec_of, traits_of
from app.surveys.scales import boxes_of, scale_of
from app.surveys.schemas import SurveyMetric
from tests.question_types import every_scale
from tests.shop import Shop

READ = text("""
select key, metric, low, favourable_from, unfavourable_to, versions from question
where workspace_id = :id order by key
""")
FORGET = text("""
update question set metric = null, low = null, favourable_from = null, unfavourable_to = null,
  versions = '{}'
where workspace_id = :id
""")


async def test_what_an_older_version_left_out_is_derived_again(
    shop: Shop, database: Database
) -> None:
    questions = [
        {"key": f"q{number}", "text": {"en": "?"}} | question
        for number, question in enumerate(every_scale())
    ]
    await shop.publish("every", questions=questions)
    recommends = [{"key": "score", "type": "yes_no", "text": {"en": "?"}}]
    await shop.publish("recommends", questions=recommends, metric="nps")
    of_shop = {"id": UUID(shop.workspace_id)}
    async with database.transaction() as session:
        written = (await run_sql(session, READ.bindparams(**of_shop))).all()
        await run_sql(session, FORGET.bindparams(**of_shop))
    async with database.transaction() as session:
        await complete_entries(session)
    async with database.session() as session:
        completed = (await run_sql(session, READ.bindparams(**of_shop))).all()
    assert completed == written
    by_key = {row.key: tuple(row)[1:] for row in written}
    assert by_key["score"] == ("nps", 0, 1, 0, [1])
    assert by_key["q0"] == ("nps", 0, 9, 6, [1])


def test_boxes_lie_within_every_scale() -> None:
    for question in every_scale():
        scale = scale_of(QuestionType(question["type"]), question.get("points"))
        boxes = boxes_of(scale)
        if boxes is not None:
            lower, upper = boxes.unfavourable_to, boxes.favourable_from
            assert scale.low <= lower < upper <= scale.high, scale


def test_the_default_length_of_a_scale_can_be_chosen() -> None:
    for type_ in QuestionType:
        traits = traits_of(type_)
        assert not traits.choosable_points or traits.default_points in traits.choosable_points


def test_bands_belong_to_a_metric_of_surveys() -> None:
    """Only a survey of such a metric reads them; NPS also takes a yes/no question."""
    for type_ in QuestionType:
        if spec_of(type_).bands is not None and type_ is not QuestionType.YES_NO:
            assert str(type_) in set(SurveyMetric), f"SurveyMetric has no {type_}"


def test_every_display_that_is_offered_fits_a_length() -> None:
    for question in every_scale():
        type_ = QuestionType(question["type"])
        lengths = traits_of(type_).choosable_points or (None,)
        for display in traits_of(type_).displays:
            assert any(display_fits(type_, display, points) for points in lengths), (type_, display)
