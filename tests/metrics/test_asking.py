# SPDX-License-Identifier: Apache-2.0
"""Every parameter of a metric, as a BI tool would use it."""

import csv
import datetime as dt
import io
from typing import Any

import httpx
import pytest

from app.core.settings import Settings
from app.main import create_app
from tests.conftest import make_shop
from tests.shop import Shop

JAN = {"from": "2026-01-01", "to": "2026-02-01"}


async def fill(shop: Shop) -> None:
    await shop.publish("nps", touchpoint="shop")
    rows = [
        (10, "2026-01-01T23:30:00Z", "web", "pl", "WAW"),
        (9, "2026-01-10T10:00:00Z", "email", "pl", "KRK"),
        (3, "2026-01-10T11:00:00Z", "web", "ro", "WAW"),
        (8, "2026-01-31T23:30:00Z", "web", "en", "WAW"),
        (0, "2026-02-05T10:00:00Z", "web", "en", "KRK"),
    ]
    for score, at, channel, locale, store in rows:
        reply = await shop.answer(
            "nps", score, responded_at=at, channel=channel, locale=locale,
            properties={"store": store, "vip": score > 8}, customer={"external_id": store},
        )  # fmt: skip
        assert reply.status_code == 201, reply.text


async def test_a_series_has_every_period_and_null_where_nobody_answered(shop: Shop) -> None:
    await fill(shop)
    reply = await shop.metric("nps", interval="week", **JAN)
    assert [row["period"] for row in reply["rows"]] == [
        "2025-12-29", "2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26",
    ]  # fmt: skip
    assert [row["n"] for row in reply["rows"]] == [1, 2, 0, 0, 1]
    assert reply["rows"][2]["value"] is None
    assert reply["rows"][2]["complete"] is True


async def test_days_begin_where_the_zone_says(shop: Shop) -> None:
    await fill(shop)
    utc = await shop.metric("nps", interval="day", **JAN)
    assert utc["rows"][0]["n"] == 1
    warsaw = await shop.metric("nps", interval="day", timezone="Europe/Warsaw", **JAN)
    assert (warsaw["rows"][0]["n"], warsaw["rows"][1]["n"]) == (0, 1)
    assert warsaw["total"]["n"] == utc["total"]["n"] - 1


async def test_groups_up_to_three_deep_add_up(shop: Shop) -> None:
    await fill(shop)
    reply = await shop.metric("nps", group_by="channel,locale,touchpoint", **JAN)
    assert sum(row["n"] for row in reply["rows"]) == reply["total"]["n"] == 4
    assert reply["rows"][0]["group"] == {"channel": "email", "locale": "pl", "touchpoint": "shop"}
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    both = await shop.metric("nps", group_by="property.store,channel", **JAN)
    assert both["source"] == "rows"
    assert sum(row["n"] for row in both["rows"]) == 4


@pytest.mark.parametrize(
    ("filters", "n"),
    [
        ({"channel": "email"}, 1),
        ({"channel": "web,email"}, 4),
        ({"channel": ["web", "email"]}, 4),
        ({"locale": "pl"}, 2),
        ({"survey": "nps"}, 4),
        ({"touchpoint": "shop"}, 4),
        ({"property.store": "WAW"}, 3),
        ({"property.store": "WAW", "channel": "web"}, 3),
        ({"property.vip": "true"}, 2),
        ({"question": "score"}, 4),
    ],
)
async def test_filters(shop: Shop, filters: dict[str, Any], n: int) -> None:
    await fill(shop)
    assert (await shop.metric("nps", **JAN, **filters))["total"]["n"] == n


async def test_a_segment_is_read_from_rows_until_the_recount_is_done(shop: Shop) -> None:
    await fill(shop)
    undeclared = await shop.call("GET", "/v1/metrics/nps?group_by=property.store")
    assert undeclared.status_code == 422
    assert "segments" in undeclared.text
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.answer("nps", 9, responded_at="2026-01-15T00:00:00Z", properties={"store": "WAW"})
    waiting = await shop.metric("nps", group_by="property.store", **JAN)
    assert (waiting["recount"], waiting["source"]) == ({"done": 0, "of": 5}, "rows")
    await shop.work()
    after = await shop.metric("nps", group_by="property.store", **JAN)
    assert after["source"] == "rollups"
    assert "recount" not in after
    assert after["rows"] == waiting["rows"]


async def test_only_the_latest_answer_of_each_customer_where_asked(shop: Shop) -> None:
    await fill(shop)
    await shop.answer("nps", 10, responded_at="2026-01-20T00:00:00Z")
    reply = await shop.metric("nps", count="latest_per_customer", **JAN)
    assert (reply["total"]["n"], reply["source"]) == (3, "rows")
    assert reply["total"]["counts"] == {"promoters": 2, "passives": 1, "detractors": 0}
    weeks = await shop.metric("nps", count="latest_per_customer", interval="week", **JAN)
    assert [row["n"] for row in weeks["rows"]] == [1, 2, 0, 1, 1]


async def test_a_window_pools_what_lies_before_its_end(shop: Shop) -> None:
    await fill(shop)
    reply = await shop.metric("nps", interval="week", window="P14D", **JAN)
    assert [row["n"] for row in reply["rows"]] == [1, 3, 2, 0, 1]


async def test_csv_has_the_same_figures(shop: Shop) -> None:
    await fill(shop)
    params = JAN | {"interval": "month", "group_by": "channel", "format": "csv"}
    reply = await shop.call("GET", "/v1/metrics/nps", params=params)
    assert reply.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [(row["period"], row["channel"], row["n"]) for row in rows] == [
        ("2026-01-01", "email", "1"),
        ("2026-01-01", "web", "3"),
    ]
    assert list(rows[0])[:5] == ["period", "channel", "value", "display", "n"]
    assert list(rows[0])[-1] == "distribution_10"
    for accept in ("text/csv", "text/csv; charset=utf-8", "text/csv;q=0.9, application/json;q=0.1"):
        accepted = await shop.call("GET", "/v1/metrics/nps", headers={"Accept": accept})
        assert accepted.headers["content-type"].startswith("text/csv")


async def test_scales_are_never_pooled(shop: Shop) -> None:
    await shop.publish("yes", template="nps_yes_no")
    await shop.answer("yes", True)
    assert (await shop.metric("nps"))["total"]["value"] == 100
    await shop.publish("scale")
    for score in (0, 0, 10):
        await shop.answer("scale", score)
    reply = await shop.metric("nps")
    assert (reply["scale"], reply["total"]["n"]) == ("0-10", 3)
    assert "yes_no (n = 1)" in reply["warnings"][0]
    assert (await shop.metric("nps", scale="yes_no"))["total"]["value"] == 100
    by_scale = await shop.metric("nps", group_by="scale")
    assert {row["group"]["scale"]: row["n"] for row in by_scale["rows"]} == {"0-10": 3, "yes_no": 1}


async def test_small_groups_are_hidden(shop: Shop) -> None:
    await fill(shop)
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 2})
    rows = (await shop.metric("nps", group_by="channel", **JAN))["rows"]
    figures = {row["group"]["channel"]: (row["value"], row["reliability"]) for row in rows}
    assert figures["email"] == (None, "hidden")
    assert figures["web"][1] == "indicative"


async def test_order_limit_and_least_n(shop: Shop) -> None:
    await fill(shop)
    by_n = await shop.metric("nps", group_by="locale", order_by="-n", limit=1, **JAN)
    assert [row["group"]["locale"] for row in by_n["rows"]] == ["pl"]
    assert by_n["truncated"] is True
    many = await shop.metric("nps", group_by="locale", min_n=2, **JAN)
    assert len(many["rows"]) == 1
    worst = await shop.metric("nps", group_by="locale", order_by="value", **JAN)
    assert worst["rows"][0]["group"]["locale"] == "ro"


async def test_tags_follow_the_latest_published_version_for_the_past_too(shop: Shop) -> None:
    def tag_question(driver: str) -> list[dict[str, Any]]:
        text = {"en": "?"}
        return [
            {"key": "score", "type": "nps", "text": text},
            {"key": "q", "type": "rating", "text": text, "driver": driver, "reverse": True},
        ]

    await shop.publish("tags", questions=tag_question("waiting"))
    await shop.answer("tags", {"score": 9, "q": 1})
    await shop.call("PATCH", "/v1/surveys/tags", json={"questions": tag_question("courtesy")})
    await shop.post("/v1/surveys/tags/publish", status=200)
    rows = (await shop.metric("rating", group_by="driver"))["rows"]
    assert [(row["group"]["driver"], row["value"], row["mean_0_100"]) for row in rows] == [
        ("courtesy", 1, 100)
    ]


async def test_the_default_is_the_last_ninety_days_and_today_is_not_over(shop: Shop) -> None:
    await shop.publish("now")
    await shop.answer("now", 9)
    reply = await shop.metric("nps", interval="day")
    today = dt.datetime.now(dt.UTC).date()
    assert reply["from"] == (today - dt.timedelta(days=89)).isoformat()
    assert (len(reply["rows"]), reply["rows"][-1]["complete"]) == (90, False)
    assert reply["total"]["n"] == 1


async def test_exact_times_read_the_rows(shop: Shop) -> None:
    await fill(shop)
    span = {"from": "2026-01-10T10:30:00Z", "to": "2026-01-10T12:00:00Z"}
    reply = await shop.metric("nps", **span)
    assert (reply["total"]["n"], reply["source"]) == (1, "rows")


WRONG = [
    ({"group_by": "chanel"}, "group_by", "channel"),
    ({"survey": "np"}, "survey", "nps"),
    ({"touchpoint": "shopp"}, "touchpoint", "shop"),
    ({"intervall": "day"}, "intervall", "interval"),
    ({"interval": "hour"}, "interval", "day"),
    ({"from": "yesterday"}, "from", "date"),
    ({"from": "2026-02-01", "to": "2026-01-01"}, "to", "later"),
    ({"timezone": "Mars/Olympus"}, "timezone", "IANA"),
    ({"period": "90d", "from": "2026-01-01"}, "period", "use one or the other"),
    ({"window": "P30D"}, "window", "interval"),
    ({"group_by": "survey,channel,locale,stage"}, "group_by", "at most 3"),
    ({"from": "99999-01-01"}, "from", "date"),
]


@pytest.mark.parametrize(("params", "parameter", "hint"), WRONG)
async def test_a_wrong_query_names_the_parameter_and_the_remedy(
    shop: Shop, params: dict[str, str], parameter: str, hint: str
) -> None:
    await shop.publish("nps", touchpoint="shop")
    reply = await shop.call("GET", "/v1/metrics/nps", params=params)
    assert reply.status_code == 422, reply.text
    error = reply.json()["errors"][0]
    assert error["loc"][1] == parameter
    assert hint in error["msg"]


async def test_what_can_be_asked_is_listed(shop: Shop) -> None:
    await fill(shop)
    listed = await shop.get("/v1/metrics")
    metrics = {metric["metric"]: metric["has_questions"] for metric in listed["metrics"]}
    assert (metrics["nps"], metrics["csat"]) == (True, False)
    assert "touchpoint" in listed["group_by"]


async def test_figures_are_read_from_the_replica_where_there_is_one(settings: Settings) -> None:
    """If the replica is down, figures and exports fail, and nothing else does."""
    away = "postgresql://afterword@127.0.0.1:1/afterword"
    app = create_app(settings.model_copy(update={"database_url_read": away}))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        shop = await make_shop(client)
        await shop.publish("nps")
        assert (await shop.answer("nps", 9)).status_code == 201
        for path in ("metrics/nps", "exports/responses"):
            assert (await shop.call("GET", f"/v1/{path}")).status_code == 503
        assert (await shop.call("GET", "/odata/v4/metric_daily")).status_code == 503
        assert (await shop.call("GET", "/v1/responses")).status_code == 200


async def test_csv_says_what_the_total_is_compared_with(shop: Shop) -> None:
    await shop.publish("s")
    for month, score in (("2026-01", 3), ("2026-02", 9)):
        await shop.answer("s", score, responded_at=f"{month}-10T10:00:00Z")
    query = {"from": "2026-02-01", "to": "2026-03-01", "compare": "previous_period"}
    reply = await shop.metric("nps", **query)
    csv_reply = await shop.call("GET", "/v1/metrics/nps", params=query | {"format": "csv"})
    (row,) = csv.DictReader(io.StringIO(csv_reply.text))
    assert float(row["previous_value"]) == reply["previous"]["value"] == -100
    assert row["previous_n"] == "1"
    assert float(row["change_delta"]) == reply["change"]["delta"] == 200
    assert row["change_significant"] in {"true", "false"}
    names = csv_reply.text.splitlines()[0].split(",")
    assert names.index("previous_value") < names.index("distribution_0")


async def test_yes_no_questions_are_never_pooled(shop: Shop) -> None:
    question = {"key": "again", "type": "yes_no", "text": {"en": "Again?"}}
    other = {"key": "fast", "type": "yes_no", "text": {"en": "Fast?"}}
    await shop.publish("a", metric="custom", questions=[question, other])
    await shop.publish("b", metric="custom", questions=[question])
    for again, fast in ((True, False), (True, False), (False, True)):
        await shop.answer("a", {"again": again, "fast": fast})
    await shop.answer("a", {"again": True, "fast": None})
    await shop.answer("b", {"again": False})
    reply = await shop.metric("yes_no")
    assert (reply["total"]["value"], reply["total"]["n"], reply["scale"]) == (75, 4, "yes_no")
    (warning,) = reply["warnings"]
    assert warning.startswith("Questions are never pooled. This figure is of again of a;")
    assert "fast (n = 3), again of b (n = 1). Add `question=` or `survey=`" in warning
    fast = await shop.metric("yes_no", question="fast")
    assert (fast["total"]["n"], fast.get("warnings")) == (3, None)
    own = await shop.metric("yes_no", question="again", survey="b")
    assert (own["total"]["value"], own["total"]["n"]) == (0, 1)


@pytest.mark.parametrize("source", ["rollups", "rows"])
async def test_rows_of_a_group_add_up_to_the_total(shop: Shop, source: str) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.work()
    await shop.publish("s")
    for score, store in ((9, "W"), (3, "E"), (10, "W"), (2, None), (9, None)):
        more = {"properties": {"store": store}} if store else {}
        await shop.answer("s", score, **more)
    zone = {} if source == "rollups" else {"timezone": "Asia/Tokyo"}
    reply = await shop.metric("nps", group_by="property.store", **zone)
    assert reply["source"] == source
    figures = {row["group"]["property.store"]: (row["n"], row["value"]) for row in reply["rows"]}
    assert figures == {"W": (2, 100), "E": (1, -100), None: (2, 0)}
    assert sum(count for count, _ in figures.values()) == reply["total"]["n"]
    by_driver = await shop.metric("nps", group_by="driver", **zone)
    assert [(row["group"], row["n"]) for row in by_driver["rows"]] == [({"driver": None}, 5)]
    query = {"group_by": "property.store", "format": "csv"} | zone
    csv_reply = await shop.call("GET", "/v1/metrics/nps", params=query)
    stores = sorted(row["property.store"] for row in csv.DictReader(io.StringIO(csv_reply.text)))
    assert stores == ["", "E", "W"]
    narrowed = await shop.metric(
        "nps", group_by="property.store", **{"property.store": "W"}, **zone
    )
    assert [row["n"] for row in narrowed["rows"]] == [2]


async def test_options_may_have_any_key_in_csv(shop: Shop) -> None:
    question = {
        "key": "topic", "type": "choice", "text": {"en": "About?"},
        "options": [{"key": key, "text": {"en": key}} for key in ("dzieci", "ci", "a_ci")],
    }  # fmt: skip
    body = {"key": "c", "name": "C", "metric": "custom", "default_locale": "en",
            "questions": [question]}  # fmt: skip
    await shop.post("/v1/surveys", body)
    await shop.call("POST", "/v1/surveys/c/publish")
    for key in ("dzieci", "ci", "a_ci"):
        await shop.post(
            "/v1/responses", {"survey": "c", "channel": "web", "answers": {"topic": key}}
        )
    reply = await shop.call("GET", "/v1/metrics/choice", params={"format": "csv"})
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert [row[f"distribution_{key}"] for key in ("dzieci", "ci", "a_ci")] == ["1", "1", "1"]
