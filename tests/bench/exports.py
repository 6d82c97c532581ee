# SPDX-License-Identifier: Apache-2.0
"""How much memory an export takes at 1,000,000 rows, against 10,000."""

import asyncio
import json
import time
from pathlib import Path

import asyncpg
import httpx

from app.core.postgres_server import url_of
from tests.bench.figures import LARGE, SMALL, fill
from tests.bench.report import Row
from tests.service import Service

_FORMATS = ("csv", "ndjson", "parquet")
_DATASETS = ("responses", "answers", "interactions", "tickets", "invitations", "rollups")
_KIB_PER_MIB = 1024

_FILLS = (
    """
insert into interaction (workspace_id, id, type, source, external_id, ticket, touchpoint,
  properties, test, occurred_at, created_at)
select $1, gen_random_uuid(), 'ticket.solved', 'desk', 'e-' || n, 't-' || n, 'support',
  '{"agent": "eva"}', false, now() - make_interval(secs => n), now()
from generate_series(1, $2::int) n
""",
    """
insert into ticket (workspace_id, id, source, ticket, status, touchpoint, properties, opened_at,
  first_solved_at, reopened, invalid, first_seconds, counted_as, created_at, updated_at)
select $1, gen_random_uuid(), 'desk', 't-' || n, 'solved', 'support', '{"agent": "eva"}', now(),
  now(), false, false, n, 1, now(), now()
from generate_series(1, $2::int) n
""",
    """
insert into invitation (workspace_id, id, survey_id, channel, status, token_hash, token, touchpoint,
  context, test, send_at, queued, expires_seconds, hits, created_at, updated_at)
select $1, gen_random_uuid(), $3, 'email', 'sent', uuid_send(gen_random_uuid()), '', 'support',
  '{}', false, now(), false, 86400, '[]', now(), now()
from generate_series(1, $2::int) n
""",
    """
insert into rollup (workspace_id, survey_id, question, segment, local_date, touchpoint, channel,
  locale, value, slot, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n_missing, n_na)
select $1, $3, 'score', '', date '2000-01-01' + n / 1000, 'x' || n % 1000, 'web', 'pl', '', 9,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0
from generate_series(1, $2::int) n on conflict do nothing
""",
)


def measure(service: Service) -> list[Row]:
    """Fill two workspaces, export everything in every format, and compare the peaks."""
    state = json.loads((service.folder / "data" / "postgres.json").read_text())
    peaks: dict[tuple[str, str, int], float] = {}
    keys = {size: asyncio.run(_fill(service, url_of(state), size)) for size in (SMALL, LARGE)}
    for dataset in _DATASETS:
        for form in _FORMATS:
            for size in (SMALL, LARGE):
                service.stop()
                service.start()
                peaks[dataset, form, size] = _export(service, keys[size], dataset, form)
    ratios = {
        (dataset, form): peaks[dataset, form, LARGE] / peaks[dataset, form, SMALL]
        for dataset in _DATASETS
        for form in _FORMATS
    }
    worst = max(ratios, key=lambda name: ratios[name])
    label = f"peak memory of an export of 1,000,000 rows, against 10,000 ({' as '.join(worst)})"
    return [Row(label, ratios[worst], 1.2, at_most=True)]


async def _fill(service: Service, database_url: str, size: int) -> str:
    key, workspace, survey = await fill(service, database_url, size)
    connection = await asyncpg.connect(database_url)
    for statement in _FILLS:
        arguments = (workspace, size, survey) if "$3" in statement else (workspace, size)
        await connection.execute(statement, *arguments)
    await connection.execute("vacuum analyze")
    await connection.close()
    return key


def _export(service: Service, key: str, dataset: str, form: str) -> float:
    """Export once after a warm-up of few rows; return the web process' peak memory in MiB."""
    (web,) = service.find(r"app\.cli\.web")
    headers = {"Authorization": f"Bearer {key}"}
    params = {"format": form}
    began = time.perf_counter()
    size = 0
    with (
        httpx.Client(base_url=service.url, headers=headers, timeout=600) as client,
        client.stream("GET", f"/v1/exports/{dataset}", params=params) as reply,
    ):
        reply.raise_for_status()
        for chunk in reply.iter_raw():
            size += len(chunk)
    status = Path(f"/proc/{web.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / _KIB_PER_MIB
    took = time.perf_counter() - began
    print(f"  {dataset:<13} {form:<8} {size / 1e6:8.1f} MB  {took:6.1f} s  peak {peak:6.1f} MiB")
    return peak
