# SPDX-License-Identifier: Apache-2.0
"""OData v4: read by a real client, equal to the API, and bounded."""

from typing import Any

import httpx
import odata
import pytest
import requests

from tests.bi.conftest import BiCompany


def read(company: BiCompany, path: str = "metric_daily", **params: Any) -> httpx.Response:
    options = {f"${name}": value for name, value in params.items()}
    with company.client as client:
        return client.get(f"/odata/v4/{path}", params=options)


def nps_of(rows: list[Any]) -> float:
    promoters, detractors, n = (
        sum(row[name] for row in rows) for name in ("promoters", "detractors", "responses")
    )
    return float(100 * (promoters - detractors) / n)


def test_a_real_client_reads_the_figures(company: BiCompany, neighbour: BiCompany) -> None:
    session = requests.Session()
    key = company.headers["Authorization"].removeprefix("Bearer ")
    session.auth = (key, "")
    service = odata.ODataService(
        f"{company.service.url}/odata/v4/", session=session, reflect_entities=True
    )
    daily = service.entities["metric_daily"]
    query = service.query(daily)
    query = query.filter(daily.metric == "nps").order_by(daily.date.asc())
    rows = [
        {name: getattr(row, name) for name in ("promoters", "detractors", "responses")}
        for row in query
    ]
    assert nps_of(rows) == company.figure("nps")["total"]["value"]
    tickets = list(service.query(service.entities["tickets_daily"]))
    assert [(row.source, row.first_seconds_sum) for row in tickets] == [("desk", 7200)]


FILTERS: list[tuple[str, int]] = [
    ("metric eq 'nps'", 3),
    ("metric eq 'nps' and date ge 2026-02-01", 1),
    ("metric eq 'nps' and date ge 2026-02-01T00:00:00Z", 1),
    ("metric eq 'nps' and year(date) eq 2026 and month(date) eq 1", 2),
    ("metric eq 'nps' and (channel eq 'email' or locale eq 'pl')", 2),
    ("metric eq 'nps' and not (channel eq 'email')", 2),
    ("metric eq 'nps' and channel in ('email', 'kiosk')", 1),
    ("metric eq 'nps' and contains(touchpoint, 'ho')", 3),
    ("metric eq 'nps' and startswith(tolower(touchpoint), 'SH')", 0),
    ("metric eq 'nps' and responses gt 1", 1),
    ("metric eq 'nps' and driver eq null", 3),
    ("metric eq 'nps' and driver eq ''", 3),
    ("metric eq 'nps' and touchpoint eq null", 0),
    ("metric eq 'nps' and touchpoint eq ''", 0),
    ("metric eq 'nps' and touchpoint ne null", 3),
    ("metric eq 'nps' and date le now()", 3),
    ("metric eq 'nps' and date gt now()", 0),
    ("metric eq 'nps' and indexof(touchpoint, 'op') eq 2", 3),
    ("metric eq 'nps' and indexof(touchpoint, 'x') eq -1", 3),
    ("metric eq 'nps' and substring(touchpoint, 1) eq 'hop'", 3),
    ("metric eq 'nps' and substring(touchpoint, 1, 2) eq 'ho'", 3),
    ("metric eq 'nps' and cast(responses, Edm.String) eq '1'", 2),
    ("metric eq 'nps' and cast(date, 'Edm.String') ge '2026-02-01'", 1),
    ("metric eq 'nps' and cast(scale, Edm.Int64) eq null", 3),
    ("metric eq 'nps' and contains(touchpoint, 'ho') eq true", 3),
    ("metric eq 'nps' and 1 lt responses", 1),
    ("metric eq 'nps' and promoters eq responses", 1),
    ("metric eq 'nps' and (not not (channel eq 'web'))", 2),
    ("survey eq 'o''hara'", 0),
    ("survey eq '; drop table response; --'", 0),
]


@pytest.mark.parametrize(("expression", "count"), FILTERS)
def test_filters(company: BiCompany, expression: str, count: int) -> None:
    reply = read(company, filter=expression, count="true")
    assert reply.status_code == 200, reply.text
    rows = [row for row in reply.json()["value"] if row["metric"] == "nps"]
    assert len(rows) == reply.json()["@odata.count"] == count
    counted = read(company, "metric_daily/$count", filter=expression)
    assert counted.text == str(count)


def test_pages_lead_on_and_lose_nothing(company: BiCompany) -> None:
    every = read(company).json()["value"]
    top = read(company, top=5, orderby="responses desc,date", select="date,responses").json()
    assert len(top["value"]) == 5
    assert set(top["value"][0]) == {"date", "responses"}
    assert top["@odata.context"].endswith("$metadata#metric_daily(date,responses)")
    assert "@odata.nextLink" not in top
    pages = [read(company, top=4, skip=skip).json()["value"] for skip in range(0, 24, 4)]
    assert [row for page in pages for row in page] == every


REFUSED: list[dict[str, Any]] = [
    {"filter": "surveyy eq 'x'"}, {"filter": "survey eq 1"}, {"filter": "date eq 'x'"},
    {"filter": "survey"}, {"filter": "1 eq 1"}, {"filter": "((("}, {"filter": "survey eq"},
    {"filter": "survey/any(x: x eq 1)"}, {"filter": "exp(responses) gt 1"},
    {"filter": "responses gt 99999999999999999999999"}, {"filter": "not survey"},
    {"filter": "(" * 3000 + "survey eq 'x'" + ")" * 900}, {"filter": "responses add 1 eq 2"},
    {"filter": "date eq 2026-13-45"}, {"filter": "true"}, {"filter": "contains(responses, 'x')"},
    {"filter": "cast(date, Edm.Guid) eq 'x'"}, {"filter": "cast(survey, Edm.Date) eq now()"},
    {"filter": "survey eq 'x' 'y'"}, {"filter": "survey eq @p"}, {"filter": "date eq 2026-01-05x"},
    {"apply": "groupby((nope))"}, {"apply": "groupby((survey), aggregate(responses with sum))"},
    {"apply": "aggregate(survey with sum as n)"}, {"apply": "aggregate(responses with stdev as n)"},
    {"apply": "groupby((survey), aggregate(responses with sum as survey))"},
    {"apply": "aggregate(responses with sum as a.b)"}, {"apply": "compute(responses as n)"},
    {"apply": "groupby((survey))/groupby((survey))"}, {"apply": "filter(survey eq 1)"},
    {"select": "nope"}, {"orderby": "nope"}, {"orderby": "date up"}, {"top": -1}, {"apply": "x"},
]  # fmt: skip


@pytest.mark.parametrize("params", REFUSED)
def test_what_is_not_understood_is_refused(company: BiCompany, params: dict[str, Any]) -> None:
    reply = read(company, **params)
    assert reply.status_code == 422, reply.text
    error = reply.json()["error"]
    assert set(reply.json()) == {"error"}
    assert error["code"] == "422"
    assert error["details"][0]["target"] == "$" + next(iter(params))
    assert error["details"][0]["target"] in error["message"]


def test_the_neighbours_rows_are_not_there(company: BiCompany, neighbour: BiCompany) -> None:
    with neighbour.client as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "secret"}).raise_for_status()
        client.post("/v1/surveys/secret/publish").raise_for_status()
        body = {"survey": "secret", "channel": "api", "answers": {"score": 1}}
        client.post("/v1/responses", json=body).raise_for_status()
    assert {row["survey"] for row in read(neighbour).json()["value"]} == {"s", "secret"}
    assert {row["survey"] for row in read(company).json()["value"]} == {"s"}


def test_the_service_describes_itself_and_asks_for_a_key(company: BiCompany) -> None:
    with company.client as client:
        sets = client.get("/odata/v4/").json()["value"]
        assert [row["name"] for row in sets] == [
            "figures_daily", "metric_daily", "metric_daily_by_segment", "choices_daily",
            "tickets_daily",
        ]  # fmt: skip
        described = client.get("/odata/v4/$metadata")
        assert described.headers["odata-version"] == "4.0"
        assert 'Name="score_sum" Type="Edm.Int64"' in described.text
    reply = httpx.get(company.service.url + "/odata/v4/metric_daily")
    assert reply.status_code == 401
    assert "Basic realm=" in reply.headers["www-authenticate"]


def test_one_entity_is_read_by_its_keys(company: BiCompany) -> None:
    predicate = ""
    for name in ("figures_daily", "metric_daily", "tickets_daily"):
        first = read(company, name).json()["value"][0]
        keys = {
            "figures_daily": ("date", "survey", "question", "touchpoint", "channel", "locale"),
            "metric_daily": ("date", "survey", "question", "touchpoint", "channel", "locale"),
            "tickets_daily": ("date", "source", "touchpoint"),
        }[name]
        predicate = ",".join(
            f"{key}={first[key]}" if key == "date" else f"{key}='{first[key]}'" for key in keys
        )
        reply = read(company, f"{name}({predicate})")
        assert reply.status_code == 200, reply.text
        entity = reply.json()
        assert entity.pop("@odata.context").endswith(f"$metadata#{name}/$entity")
        assert entity == first
    assert read(company, "metric_daily(date=2026-01-05)").status_code == 404
    assert read(company, f"tickets_daily({predicate.replace('desk', 'nobody')})").status_code == 404


def apply_query(company: BiCompany, path: str, **params: Any) -> list[dict[str, Any]]:
    reply = read(company, path, **params)
    assert reply.status_code == 200, reply.text
    rows: list[dict[str, Any]] = reply.json()["value"]
    return rows


def test_apply_groups_and_sums_in_the_database(company: BiCompany) -> None:
    every = [row for row in read(company).json()["value"] if row["metric"] == "nps"]
    (total,) = apply_query(
        company, "metric_daily",
        apply="filter(metric eq 'nps')/aggregate(responses with sum as n, $count as rows, "
        "date with min as first, channel with countdistinct as channels)",
    )  # fmt: skip
    assert total == {
        "n": sum(row["responses"] for row in every), "rows": len(every), "first": "2026-01-05",
        "channels": len({row["channel"] for row in every}),
    }  # fmt: skip
    groups = apply_query(
        company, "metric_daily",
        apply="filter(metric eq 'nps')/groupby((channel, locale), aggregate(responses with sum as "
        "n, promoters with sum as p, detractors with sum as d))",
        filter="n gt 0", orderby="n desc", top=1,
    )  # fmt: skip
    best = max(
        (
            (
                channel,
                lo,
                sum(
                    row["responses"]
                    for row in every
                    if (row["channel"], row["locale"]) == (channel, lo)
                ),
            )
            for channel, lo in {(row["channel"], row["locale"]) for row in every}
        ),
        key=lambda group: group[2],
    )
    assert (groups[0]["channel"], groups[0]["locale"], groups[0]["n"]) == best
    names = apply_query(company, "metric_daily", apply="groupby((survey))")
    assert names == [{"survey": "s"}]


def test_segments_and_choices_are_sets_of_their_own(several: BiCompany) -> None:
    by_store = apply_query(
        several, "metric_daily_by_segment",
        apply="filter(metric eq 'nps' and segment eq 'store' and scale eq '0-10')"
        "/groupby((value), aggregate(responses with sum as n))",
    )  # fmt: skip
    rows = several.figure("nps", group_by="property.store", scale="0-10")["rows"]
    known = {row["group"]["property.store"]: row["n"] for row in rows if row["n"]}
    assert {row["value"]: row["n"] for row in by_store} == known != {}
    mood = {"key": "mood", "type": "emotion", "text": {"en": "?"}}
    body = {"key": "feel", "name": "Feel", "metric": "custom", "questions": [mood]}
    with several.client as client:
        client.post("/v1/surveys", json=body).raise_for_status()
        client.post("/v1/surveys/feel/publish").raise_for_status()
        for emotion in ("joy", "joy", "anger"):
            line = {"survey": "feel", "channel": "web", "answers": {"mood": emotion}}
            client.post("/v1/responses", json=line).raise_for_status()
    chosen = apply_query(
        several, "choices_daily",
        apply="filter(survey eq 'feel')/groupby((option, valence), aggregate(chosen with sum as "
        "n))", orderby="option",
    )  # fmt: skip
    assert chosen == [
        {"option": "anger", "valence": -1, "n": 1}, {"option": "joy", "valence": 1, "n": 2},
    ]  # fmt: skip


def test_small_groups_keep_their_names_and_lose_their_numbers(neighbour: BiCompany) -> None:
    body = {"name": "figures", "scopes": ["metrics"]}
    with neighbour.client as client:
        client.patch("/v1/workspace", json={"min_group_size": 3}).raise_for_status()
        key = client.post("/v1/api-keys", json=body).json()["secret"]
        try:
            with httpx.Client(base_url=neighbour.service.url, auth=(key, "")) as analyst:
                for path in ("metric_daily", "metric_daily/$count"):
                    plain = analyst.get(f"/odata/v4/{path}")
                    assert plain.status_code == 403
                    assert "$apply=groupby" in plain.json()["error"]["message"]
                groups = analyst.get(
                    "/odata/v4/metric_daily",
                    params={"$apply": "filter(metric eq 'ces')/groupby((channel), "
                            "aggregate(responses with sum as n))"},
                ).json()["value"]  # fmt: skip
                assert {row["channel"]: row["n"] for row in groups} == {"web": 5, "email": None}
                refused = ("filter(metric eq 'ces')", "groupby((responses))",
                           "groupby((survey), aggregate(responses with max as n))")  # fmt: skip
                for apply in refused:
                    reply = analyst.get("/odata/v4/metric_daily", params={"$apply": apply})
                    assert reply.status_code == 422, apply
            assert read(neighbour).status_code == 200
        finally:
            client.patch("/v1/workspace", json={"min_group_size": 1}).raise_for_status()
