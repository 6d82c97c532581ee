"""The `bi` views: the same figures as the API, by real clients, of one workspace alone."""

import asyncio
import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi
import asyncpg
import pytest

from app.core.clock import utc_now
from app.core.database import Database
from app.core.postgres import superuser_url, url_of
from app.exports import bi_roles
from app.pages.guides import BI
from app.surveys.question_types import QuestionType, spec_of
from tests.bi.conftest import Company
from tests.service import Service

NPS = """select 100.0 * (sum(promoters) - sum(detractors)) / sum(responses), sum(responses),
sum(n_missing), sum(n_na) from bi.metric_daily where metric = 'nps'"""
CSAT = "select 100.0 * sum(satisfied) / sum(responses) from bi.metric_daily where metric = 'csat'"
CES = "select sum(score_sum)::float8 / sum(responses) from bi.metric_daily where metric = 'ces'"
VIEWS = (
    "metric_daily", "metric_daily_by_segment", "choices_daily", "tickets_daily", "responses",
    "answers", "answers_wide", "interactions", "tickets", "invitations", "figures_daily",
)  # fmt: skip


async def event(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchrow(query)
    finally:
        await connection.close()


async def test_the_formulas_of_the_docs_give_the_figures_of_the_api(company: Company) -> None:
    nps = company.figure("nps")["total"]
    row = await event(company.sql, NPS)
    assert (float(row[0]), row[1], row[2], row[3]) == (nps["value"], 4, 1, 1) != (0, 0, 0, 0)
    assert nps["n"] == 4
    csat = await event(company.sql, CSAT)
    assert float(csat[0]) == company.figure("csat")["total"]["value"]
    ces = await event(company.sql, CES)
    assert ces[0] == company.figure("ces")["total"]["value"]
    took = await event(
        company.sql, "select sum(first_seconds_sum) / sum(resolved) from bi.tickets_daily"
    )
    assert float(took[0]) == company.figure("ttr")["total"]["first"]["mean_seconds"] == 7200


async def test_days_are_those_of_the_workspace_and_segments_add_up(company: Company) -> None:
    row = await event(
        company.sql,
        "select count(distinct date), min(date)::text from bi.metric_daily where metric = 'nps'",
    )
    assert tuple(row) == (2, "2026-01-05")
    row = await event(
        company.sql,
        "select sum(responses) from bi.metric_daily_by_segment "
        "where metric = 'nps' and segment = 'store'",
    )
    assert row[0] == 4
    group = company.figure("nps", group_by="property.store")["rows"]
    for found in group:
        row = await event(
            company.sql,
            "select 100.0 * (sum(promoters) - sum(detractors)) / sum(responses) "
            "from bi.metric_daily_by_segment where metric = 'nps' and segment = 'store' "
            f"and value = '{found['group']['property.store']}'",
        )
        assert float(row[0]) == found["value"]


def test_an_odbc_client_reads_the_same(company: Company) -> None:
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
        named = {found.table_name for found in connection.cursor().tables(schema="bi")}
        assert set(VIEWS) <= named
    finally:
        connection.close()


def test_an_adbc_client_reads_the_same(company: Company) -> None:
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


async def test_a_pool_of_fifteen_fits_and_no_role_takes_all(company: Company) -> None:
    made = company.service.command("bi-role", "--workspace", company.name)
    assert made.returncode == 0, made.stderr
    url, held = made.stdout.strip(), []
    try:
        held += [await asyncpg.connect(url) for _ in range(20)]
        assert await held[14].fetchval("select count(*) from bi.responses") is not None
        with pytest.raises(adbc_driver_postgresql.dbapi.Error, match="too many connections"):
            await asyncio.to_thread(adbc_driver_postgresql.dbapi.connect, url)
        with company.client as client:
            assert client.get("/v1/surveys").status_code == 200
    finally:
        for connection in held:
            await connection.close()


async def test_every_view_reads_by_the_rights_of_its_reader(company: Company) -> None:
    """Otherwise it would show the rows of every workspace."""
    row = await event(
        company.sql,
        "select coalesce(string_agg(c.relname, ', ') filter (where not "
        "coalesce(c.reloptions, '{}') @> '{security_invoker=true}'), ''), count(*) from pg_class c "
        "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bi' and c.relkind = 'v'",
    )
    assert row[0] == ""
    assert row[1] >= len(VIEWS)


async def test_every_view_is_read_and_described(company: Company) -> None:
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


# What a role may try to see another workspace by.
TRICKS = [
    "set role {neighbour}",
    "set role afterword",
    "set session authorization {neighbour}",
    "set row_security = off",
    "select set_config('role', '{neighbour}', false)",
    "select set_config('app.workspace_id', (select max(workspace_id::text) from bi_access), false)",
    "set search_path = public",
    "create view public.mine as select * from public.response",
    "create temp view mine as select id from public.response",
    "alter role current_user superuser",
    "update public.bi_access set workspace_id = gen_random_uuid()",
    "insert into public.bi_access select '{role}', gen_random_uuid(), true, now()",
    "alter table public.response disable row level security",
    "drop policy bi_workspace on public.response",
    "select * from public.event",
    "select * from public.api_key",
    "select * from public.workspace",
    "select * from public.webhook_endpoint",
    "select * from public.job",
    "select name from public.customer",
    "select claimed from public.response",
    "select * from bi.customers",
    "select lo_import('/etc/passwd')",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'theirs')",
    "create temp table mine as select 1",
    "copy (select 1) to program 'id'",
    "select pg_read_file('/etc/passwd')",
    "select most_common_vals::text from pg_stats where tablename = 'response'",
    "table public.bi_access",
]


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_role_sees_its_own_workspace_by_no_trick(
    company: Company, neighbour: Company, trick: str
) -> None:
    other = urlsplit(neighbour.sql).username or ""
    role = urlsplit(company.sql).username or ""
    connection = await asyncpg.connect(company.sql)
    try:
        mine = await connection.fetchval("select count(*) from bi.responses")
        found: list[Any] = []
        refused = False
        try:
            await connection.execute("set default_transaction_read_only = off")
            statement = trick.format(neighbour=other, role=role)
            found = await connection.fetch(statement)
        except asyncpg.PostgresError:
            refused = True
        assert refused or not trick.startswith(("create temp", "select lo_", "insert", "drop"))
        assert "theirs" not in str(found)
        for query in ("bi.responses", "public.response"):
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                # Without its shelter, `row_security`, the role may read nothing at all.
                assert await connection.fetchval(f"select count(*) from {query}") == mine == 6
        who = await connection.fetchval("select current_user")
        assert who == role
    finally:
        await connection.close()


async def test_a_foreign_name_opens_nothing(company: Company, neighbour: Company) -> None:
    """A role that somebody else made, even one named like a workspace, reads no row."""
    rows = await event(neighbour.sql, "select array_agg(distinct role) from public.bi_access")
    assert rows[0] == [urlsplit(neighbour.sql).username]
    state = json.loads((company.service.folder / "data" / "postgres.json").read_text())
    maker = await asyncpg.connect(superuser_url(company.service.folder / "data"))
    await maker.execute("""create role "theirs" login password 'x'""")
    await maker.close()
    url = f"postgresql://theirs:x@127.0.0.1:{state['port']}/afterword"
    assert (await event(url, "select count(*) from bi.responses"))[0] == 0


async def test_a_function_that_tells_what_it_is_given_is_given_nothing_foreign(
    company: Company, neighbour: Company
) -> None:
    theirs = await event(neighbour.sql, "select array_agg(id) from bi.responses")
    # The role itself can make no function; this one is somebody else's.
    able = superuser_url(company.service.folder / "data").rpartition("/")[0] + "/afterword"
    maker = await asyncpg.connect(able)
    await maker.execute(
        "create function public.peek(id uuid) returns bool language plpgsql "
        "cost 0.0000001 as $$ begin raise notice '%', id; return true; end $$"
    )
    await maker.close()
    told: list[str] = []
    connection = await asyncpg.connect(company.sql)
    connection.add_log_listener(lambda _, message: told.append(str(message)))
    try:
        await connection.execute("select count(*) from public.response where public.peek(id)")
        await connection.execute("select count(*) from bi.responses where public.peek(id)")
    finally:
        await connection.close()
    assert len(told) == 12
    assert not any(str(id_) in message for message in told for id_ in theirs[0])


async def test_names_are_for_personal_roles(company: Company, neighbour: Company) -> None:
    row = await event(neighbour.sql, "select email, name from bi.customers")
    assert tuple(row) == ("theirs@c.pl", "Mr theirs")
    assert await event(company.sql, "select email from bi.customers") is None
    assert await event(company.sql, "select email from public.customer") is None


async def test_a_role_is_bounded_and_can_be_dropped(company: Company) -> None:
    row = await event(
        company.sql, "select current_setting('statement_timeout'), current_setting('search_path')"
    )
    assert tuple(row) == ("1min", "bi")
    for options in ((), ("--personal",)):
        url = company.role(*options)
        role = urlsplit(url).username or ""
        assert role in company.service.command("bi-role", "--workspace", "mine", "--list").stdout
        dropped = company.service.command("bi-role", "--drop", role)
        assert dropped.returncode == 0, dropped.stderr
        with pytest.raises(asyncpg.PostgresError):
            await event(url, "select 1")


def test_the_command_says_from_where_it_is_reached(company: Company) -> None:
    made = company.service.command("bi-role", "--workspace", "mine")
    assert "from this machine alone" in made.stderr
    assert "OData" in made.stderr
    unknown = company.service.command("bi-role", "--workspace", "nobody")
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr


@pytest.mark.parametrize("metric", ["NPS", "CSAT", "CES"])
@pytest.mark.parametrize("tool", ["superset", "grafana"])
async def test_the_formulas_of_the_guides_run(company: Company, tool: str, metric: str) -> None:
    assert await by_guide(company, tool, metric) == company.figure(metric.lower())["total"]["value"]


async def by_guide(company: Company, tool: str, metric: str) -> float:
    formula = BI[tool]["formulas"][metric]
    if tool == "grafana":
        query = formula.replace("$__timeFilter(date)", "date >= '2026-01-01'")
        query = query.replace("date AS time", "min(date) AS time", 1)
        row = await event(company.sql, query.replace("GROUP BY 1 ORDER BY 1", ""))
        return float(row[1])
    return float((await event(company.sql, f"select {formula} from bi.figures_daily"))[0])


async def test_scales_are_told_apart_on_every_surface(several: Company) -> None:
    """NPS on 0-10 and as yes or no, CSAT on 5 and 3, CES on 5 and 7: the main one is shown."""
    for metric in ("NPS", "CSAT", "CES"):
        reply = several.figure(metric.lower())
        assert reply.get("warnings"), (metric, reply)
        for tool in ("superset", "grafana"):
            assert await by_guide(several, tool, metric) == reply["total"]["value"], (tool, metric)
        with several.client as client:
            asked = {"$filter": f"metric eq '{metric.lower()}' and main_scale eq true"}
            rows = client.get("/odata/v4/figures_daily", params=asked).json()["value"]
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
    row = await event(
        several.sql, "select 100.0 * sum(favourable - unfavourable) / sum(responses) "
        "from bi.figures_daily where metric = 'nps' and scale = 'yes_no'"
    )  # fmt: skip
    assert float(row[0]) == other["value"]
    # The yes/no question that is its survey's NPS is no share of its own.
    assert several.figure("yes_no")["total"]["n"] == 0
    row = await event(several.sql, "select count(*) from bi.figures_daily where metric = 'yes_no'")
    assert row[0] == 0


async def test_every_question_type_counts_in_its_own_metric(several: Company) -> None:
    """A type that the views do not know would count under its own name."""
    options = [{"key": key, "text": {"en": key}} for key in ("one", "two")]
    questions = [
        {"key": f"q-{type_}", "type": str(type_), "text": {"en": "?"}}
        | ({"options": options} if spec_of(type_).has_options and type_ != "emotion" else {})
        for type_ in QuestionType
    ]
    given: dict[str, Any] = {
        "nps": 9, "csat": 4, "ces": 5, "yes_no": True, "rating": 4, "expectation": "better",
        "emotion": "joy", "choice": "one", "choices": ["one", "two"], "text": "Fine",
    }  # fmt: skip
    assert set(given) == {*QuestionType}
    body = {"key": "every", "name": "Every", "metric": "custom", "questions": questions}
    with several.client as client:
        client.post("/v1/surveys", json=body).raise_for_status()
        client.post("/v1/surveys/every/publish").raise_for_status()
        answers = {f"q-{type_}": value for type_, value in given.items()}
        line = {"survey": "every", "channel": "api", "answers": answers}
        client.post("/v1/responses", json=line).raise_for_status()
    for view in ("figures_daily", "metric_daily"):
        connection = await asyncpg.connect(several.sql)
        rows = await connection.fetch(
            f"select distinct question, metric from bi.{view} where survey = 'every'"
        )
        await connection.close()
        expected = {f"q-{t}": spec_of(t).metric for t in QuestionType if spec_of(t).metric}
        assert {row["question"]: row["metric"] for row in rows} == expected, view


async def test_every_column_is_described(company: Company) -> None:
    row = await event(
        company.sql,
        "select string_agg(c.relname || '.' || a.attname, ', ') "
        "filter (where col_description(a.attrelid, a.attnum) is null), count(*) "
        "from pg_attribute a join pg_class c on c.oid = a.attrelid "
        "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bi' and a.attnum > 0",
    )
    assert row[0] is None
    assert row[1] > 150


async def test_answers_bear_the_day_of_the_workspace(company: Company) -> None:
    for view in ("responses", "answers"):
        row = await event(
            company.sql, f"select min(local_date)::text, max(local_date)::text from bi.{view}"
        )
        assert tuple(row) == ("2026-01-05", "2026-02-10")


async def test_what_was_deleted_leaves_no_empty_rows(company: Company) -> None:
    query = "select count(*) from bi.{} where survey = 's' and date = '2026-01-31'"
    with company.client as client:
        line = {"survey": "s", "channel": "api", "answers": {"score": 1},
                "responded_at": "2026-01-31T10:00:00Z"}  # fmt: skip
        made = client.post("/v1/responses", json=line).json()
        for view in ("metric_daily", "figures_daily"):
            assert (await event(company.sql, query.format(view)))[0] > 0
        client.delete(f"/v1/responses/{made['id']}").raise_for_status()
    for view in ("metric_daily", "figures_daily"):
        assert (await event(company.sql, query.format(view)))[0] == 0


async def test_a_role_holds_up_nobodys_news(company: Company) -> None:
    connection = await asyncpg.connect(company.sql)
    try:
        for call in ("pg_current_xact_id()", "txid_current()",
                     "pg_logical_emit_message(true, 'a', 'b')"):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f"select {call}")
        # It may change its own patience; the worker's stays.
        await connection.execute("set idle_in_transaction_session_timeout = 0")
        await connection.execute("begin")
        await connection.fetchval("select count(*) from bi.responses")
        before = company.answer()
        assert await news_of(company, before)
    finally:
        await connection.close()


async def test_a_role_may_have_a_schema_to_build_in_and_still_holds_up_nobody(
    company: Company,
) -> None:
    url = company.role("--schema", "analytics")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table nps as select * from bi.figures_daily")
        assert await connection.fetchval("select sum(responses) from analytics.nps") > 0
        for elsewhere in ("public", "bi"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"create table {elsewhere}.mine (a int)")
        await connection.execute("begin")
        await connection.execute("create table left_open (a int)")
        assert await news_of(company, company.answer())
    finally:
        await connection.close()
    role = urlsplit(url).username or ""
    dropped = company.service.command("bi-role", "--drop", role)
    assert dropped.returncode == 0, dropped.stderr
    schemas = "select count(*) from pg_namespace where nspname = 'analytics'"
    assert (await event(company.sql, schemas))[0] == 0
    for odd in ("bi", "Public", "a; drop schema bi", ""):
        refused = company.service.command("bi-role", "--workspace", "mine", "--schema", odd)
        assert refused.returncode != 0
        assert "cannot be its schema" in refused.stderr


async def news_of(company: Company, id_: str) -> bool:
    for _ in range(50):
        with company.client as client:
            told = client.get("/v1/events", params={"limit": 500}).json()["data"]
        if any(event["data"].get("id") == id_ for event in told):
            return True
        await asyncio.sleep(0.1)
    return False


async def test_a_session_that_idles_in_a_transaction_is_ended(
    company: Company, service: Service
) -> None:
    connection = await asyncpg.connect(company.sql)
    await connection.execute("set idle_in_transaction_session_timeout = 0")
    await connection.execute("begin")
    await connection.fetchval("select 1")
    owner = Database(owner_url(service))
    try:
        async with owner.transaction() as session:
            await bi_roles.end_idle(session, utc_now() + dt.timedelta(seconds=61))
        ended = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
        with pytest.raises(ended):
            await connection.fetchval("select 1")
    finally:
        await owner.close()
        connection.terminate()


def owner_url(service: Service) -> str:
    data = Path(service.environment["AFTERWORD_DATA_DIR"])
    return url_of(json.loads((data / "postgres.json").read_text()))
