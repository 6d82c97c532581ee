# SPDX-License-Identifier: Apache-2.0
"""How long a figure takes at 10,000 and at 1,000,000 answers, from rollups and from rows."""

import asyncio
import statistics
import time
from uuid import UUID

import asyncpg
import httpx

from app.core.database import Database
from app.responses.rollups import rebuild
from tests.bench.report import Row
from tests.service import Service

SMALL, LARGE = 10_000, 1_000_000

# A year of answers over four touchpoints, three channels and three languages.
_FILL = """
insert into response (workspace_id, id, survey_id, survey_version, seq, channel, touchpoint, locale,
  complete, test, state, score, answers, scores, properties, tags, imported, follow_up, notes,
  revisions, counted_as, told, settled, public, responded_at, created_at, updated_at)
select $1, gen_random_uuid(), $2, 1, 1, (array['web','email','widget'])[1 + n % 3],
  't' || n / 3 % 4,
  (array['pl','ro','en'])[1 + n / 12 % 3], true, false, 'counted', s.score,
  jsonb_build_object('score', s.score), jsonb_build_object('score', s.score), '{}', '[]', true,
  'none', '[]', '[]', 1, false, true, false, at, at, at
from generate_series(1, $3::int) n, lateral (select (n::int8 * 7919 % 11)::int2 as score) s,
  lateral (select date_trunc('day', now()) - make_interval(mins => (n::int8 * 524287 % 518400)::int)
    as at) t
"""


def measure(service: Service, database_url: str) -> list[Row]:
    """Fill two workspaces and time the same series in both."""
    keys = {size: asyncio.run(fill(service, database_url, size))[0] for size in (SMALL, LARGE)}
    small, large = (_time(service, keys[size]) for size in (SMALL, LARGE))
    raw = _time(service, keys[LARGE], timezone="Etc/UTC", times=3)
    print(f"  12 months of NPS by touchpoint, {SMALL:>9,} answers  {small:8.1f} ms")
    print(f"  12 months of NPS by touchpoint, {LARGE:>9,} answers  {large:8.1f} ms")
    print(f"  the same from the rows                           {raw:8.1f} ms")
    views = {size: asyncio.run(_time_view(service, size)) for size in (SMALL, LARGE)}
    for size, took in views.items():
        print(f"  the same from the view bi.metric_daily, {size:>9,}  {took:8.1f} ms")
    return [
        Row(
            "a year's series at 1,000,000 answers, against 10,000", large / small, 1.5, at_most=True
        ),
        Row("  how much faster than from the rows", raw / large, 30),
        Row(
            "the daily view of a year at 1,000,000 answers, against 10,000",
            views[LARGE] / views[SMALL],
            1.5,
            at_most=True,
        ),
    ]


async def fill(
    service: Service, database_url: str, size: int, *, name: str = "bench"
) -> tuple[str, UUID, UUID]:
    """Make a workspace with that many answers; return its key, its id and its survey's."""
    with service.client() as client:
        reply = client.post("/v1/workspaces", json={"name": "Bench", "key": f"{name}-{size}"})
        key: str = reply.json()["api_key"]["secret"]
        workspace = UUID(reply.json()["id"])
        client.headers["Authorization"] = f"Bearer {key}"
        client.post("/v1/surveys", json={"template": "nps", "key": "nps"}).raise_for_status()
        survey = UUID(client.post("/v1/surveys/nps/publish").json()["id"])
    connection = await asyncpg.connect(database_url)
    await connection.execute(_FILL, workspace, survey, size)
    await connection.execute("vacuum analyze response")
    database = Database(database_url)
    await rebuild(database, workspace)
    await connection.execute("vacuum analyze rollup")
    await database.close()
    await connection.close()
    return key, workspace, survey


_VIEW = """
select date_trunc('month', date), touchpoint,
  100.0 * (sum(promoters) - sum(detractors)) / nullif(sum(responses), 0)
from bi.metric_daily where metric = 'nps' and date >= current_date - 365 group by 1, 2
"""


async def _time_view(service: Service, size: int) -> float:
    """Return the median time of the same figures as a BI tool reads them, in milliseconds."""
    process = service.command("bi-role", "--workspace", f"bench-{size}")
    connection = await asyncpg.connect(process.stdout.strip())
    took = []
    for _ in range(32):
        began = time.perf_counter()
        assert await connection.fetch(_VIEW)
        took.append(time.perf_counter() - began)
    await connection.close()
    return statistics.median(took[2:]) * 1000


def _time(service: Service, key: str, *, times: int = 30, **more: str) -> float:
    """Return the median time of the figure in milliseconds."""
    params = {"period": "12mo", "interval": "month", "group_by": "touchpoint"} | more
    took = []
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=120) as client:
        for _ in range(times + 2):
            began = time.perf_counter()
            reply = client.get("/v1/metrics/nps", params=params)
            took.append(time.perf_counter() - began)
            reply.raise_for_status()
            assert reply.json()["rows"]
    return statistics.median(took[2:]) * 1000
