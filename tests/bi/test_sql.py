# SPDX-License-Identifier: Apache-2.0
"""The `bi` views: the same figures as the API, by real clients, of one workspace alone."""

from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi
import asyncpg
import pytest

from app.pages.guides import BI
from tests.bi.conftest import BiCompany

NPS = """select 100.0 * (sum(promoters) - sum(detractors)) / sum(responses), sum(responses),
sum(n_missing), sum(n_na) from bi.metric_daily where metric = 'nps'"""
CSAT = "select 100.0 * sum(satisfied) / sum(responses) from bi.metric_daily where metric = 'csat'"
CES = "select sum(score_sum)::float8 / sum(responses) from bi.metric_daily where metric = 'ces'"
VIEWS = (
    "metric_daily", "metric_daily_by_segment", "choices_daily", "tickets_daily", "responses",
    "answers", "answers_wide", "interactions", "tickets", "invitations", "figures_daily",
)  # fmt: skip


async def read_row(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchrow(query)
    finally:
        await connection.close()


async def test_the_formulas_of_the_docs_give_the_figures_of_the_api(company: BiCompany) -> None:
    nps = company.figure("nps")["total"]
    row = await read_row(company.sql, NPS)
    assert (float(row[0]), row[1], row[2], row[3]) == (nps["value"], 4, 1, 1) != (0, 0, 0, 0)
    assert nps["n"] == 4
    csat = await read_row(company.sql, CSAT)
    assert float(csat[0]) == company.figure("csat")["total"]["value"]
    ces = await read_row(company.sql, CES)
    assert ces[0] == company.figure("ces")["total"]["value"]
    took = await read_row(
        company.sql, "select sum(first_seconds_sum) / sum(resolved) from bi.tickets_daily"
    )
    assert float(took[0]) == company.figure("ttr")["total"]["first"]["mean_seconds"] == 7200


async def test_days_are_those_of_the_workspace_and_segments_add_up(company: BiCompany) -> None:
    row = await read_row(
        company.sql,
        "select count(distinct date), min(date)::text from bi.metric_daily where metric = 'nps'",
    )
    assert tuple(row) == (2, "2026-01-05")
    row = await read_row(
        company.sql,
        "select sum(responses) from bi.metric_daily_by_segment "
        "where metric = 'nps' and segment = 'store'",
    )
    assert row[0] == 4
    group = company.figure("nps", group_by="property.store")["rows"]
    for figure in group:
        row = await read_row(
            company.sql,
            "select 100.0 * (sum(promoters) - sum(detractors)) / sum(responses) "
            "from bi.metric_daily_by_segment where metric = 'nps' and segment = 'store' "
            f"and value = '{figure['group']['property.store']}'",
        )
        assert float(row[0]) == figure["value"]


def test_an_odbc_client_reads_the_same(company: BiCompany) -> None:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError, reason="unixODBC is missing")
    drivers = [name for name in pyodbc.drivers() if "PostgreSQL Unicode" in name]
    if not drivers:
        pytest.skip("the driver odbc-postgresql is missing")
    at = urlsplit(company.sql)
    connection = pyodbc.connect(
        f"DRIVER={{{drivers[0]}}};SERVER={at.hostname};PORT={at.port};"
        f"DATABASE={at.path[1:]};UID={at.username};PWD={at.password}"
    )
    try:
        row = connection.cursor().execute(NPS).fetchone()
        assert float(row[0]) == company.figure("nps")["total"]["value"]
        names = {table.table_name for table in connection.cursor().tables(schema="bi")}
        assert set(VIEWS) <= names
    finally:
        connection.close()


def test_an_adbc_client_reads_the_same(company: BiCompany) -> None:
    with (
        adbc_driver_postgresql.dbapi.connect(company.sql) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "select sum(promoters)::int8 p, sum(detractors)::int8 d, sum(responses)::int8 n "
            "from bi.metric_daily where metric = 'nps'"
        )
        (row,) = cursor.fetch_arrow_table().to_pylist()
    value = 100 * (row["p"] - row["d"]) / row["n"]
    assert value == company.figure("nps")["total"]["value"]


async def test_every_view_reads_by_the_rights_of_its_reader(company: BiCompany) -> None:
    """Otherwise it would show the rows of every workspace."""
    row = await read_row(
        company.sql,
        "select coalesce(string_agg(c.relname, ', ') filter (where not "
        "coalesce(c.reloptions, '{}') @> '{security_invoker=true}'), ''), count(*) from pg_class c "
        "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bi' and c.relkind = 'v'",
    )
    assert row[0] == ""
    assert row[1] >= len(VIEWS)


async def test_every_view_is_read_and_described(company: BiCompany) -> None:
    connection = await asyncpg.connect(company.sql)
    try:
        for view in VIEWS:
            await connection.fetch(f"select * from bi.{view}")
        described = await connection.fetch(
            "select obj_description(c.oid) as said, c.relname from pg_class c "
            "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bi'"
        )
        assert all(row["said"] for row in described)
    finally:
        await connection.close()


@pytest.mark.parametrize("metric", ["NPS", "CSAT", "CES"])
@pytest.mark.parametrize("tool", ["superset", "grafana"])
async def test_the_formulas_of_the_guides_run(company: BiCompany, tool: str, metric: str) -> None:
    assert await by_guide(company, tool, metric) == company.figure(metric.lower())["total"]["value"]


async def by_guide(company: BiCompany, tool: str, metric: str) -> float:
    formula = BI[tool]["formulas"][metric]
    if tool == "grafana":
        query = formula.replace("$__timeFilter(date)", "date >= '2026-01-01'")
        query = query.replace("date AS time", "min(date) AS time", 1)
        row = await read_row(company.sql, query.replace("GROUP BY 1 ORDER BY 1", ""))
        return float(row[1])
    return float((await read_row(company.sql, f"select {formula} from bi.figures_daily"))[0])


async def test_scales_are_told_apart_on_every_surface(several: BiCompany) -> None:
    """NPS on 0-10 and as yes or no, CSAT on 5 and 3, CES on 5 and 7: the main one is shown."""
    for metric in ("NPS", "CSAT", "CES"):
        reply = several.figure(metric.lower())
        assert reply.get("warnings"), (metric, reply)
        for tool in ("superset", "grafana"):
            assert await by_guide(several, tool, metric) == reply["total"]["value"], (tool, metric)
        with several.client as client:
            params = {"$filter": f"metric eq '{metric.lower()}' and main_scale eq true"}
            rows = client.get("/odata/v4/figures_daily", params=params).json()["value"]
        total = {name: sum(row[name] for row in rows)
                 for name in ("responses", "favourable", "unfavourable", "score_sum")}  # fmt: skip
        n = total["responses"]
        value = {
            "NPS": 100 * (total["favourable"] - total["unfavourable"]) / n,
            "CSAT": 100 * total["favourable"] / n,
            "CES": total["score_sum"] / n,
        }[metric]
        assert value == reply["total"]["value"], metric
    other = several.figure("nps", scale="yes_no")["total"]
    row = await read_row(
        several.sql, "select 100.0 * sum(favourable - unfavourable) / sum(responses) "
        "from bi.figures_daily where metric = 'nps' and scale = 'yes_no'"
    )  # fmt: skip
    assert float(row[0]) == other["value"]
    # The yes/no question that is its survey's NPS is not a share of its own.
    assert several.figure("yes_no")["total"]["n"] == 0
    row = await read_row(
        several.sql, "select count(*) from bi.figures_daily where metric = 'yes_no'"
    )
    assert row[0] == 0


async def test_every_column_is_described(company: BiCompany) -> None:
    row = await read_row(
        company.sql,
        "select string_agg(c.relname || '.' || a.attname, ', ') "
        "filter (where col_description(a.attrelid, a.attnum) is null), count(*) "
        "from pg_attribute a join pg_class c on c.oid = a.attrelid "
        "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bi' and a.attnum > 0",
    )
    assert row[0] is None
    assert row[1] > 150


async def test_answers_bear_the_day_of_the_workspace(company: BiCompany) -> None:
    for view in ("responses", "answers"):
        row = await read_row(
            company.sql, f"select min(local_date)::text, max(local_date)::text from bi.{view}"
        )
        assert tuple(row) == ("2026-01-05", "2026-02-10")


async def test_what_was_deleted_leaves_no_empty_rows(company: BiCompany) -> None:
    query = "select count(*) from bi.{} where survey = 's' and date = '2026-01-31'"
    with company.client as client:
        line = {"survey": "s", "channel": "api", "answers": {"score": 1},
                "responded_at": "2026-01-31T10:00:00Z"}  # fmt: skip
        response = client.post("/v1/responses", json=line).json()
        for view in ("metric_daily", "figures_daily"):
            assert (await read_row(company.sql, query.format(view)))[0] > 0
        client.delete(f"/v1/responses/{response['id']}").raise_for_status()
    for view in ("metric_daily", "figures_daily"):
        assert (await read_row(company.sql, query.format(view)))[0] == 0
