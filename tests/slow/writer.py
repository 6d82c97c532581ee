# SPDX-License-Identifier: Apache-2.0
"""A writer process of the stress test: random batches and edits, until the time is up.

`python -m tests.slow.writer URL WORKSPACE SURVEY UNTIL NUMBER FILE` writes to FILE what was
acknowledged, as a list of [id, seq, outcome].
"""

import asyncio
import hashlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Raw

from app.core.clock import utc_now
from app.core.database import CONNECTION_LOST, Database
from app.core.ids import uuid7
from app.responses.changes import DELETE, QUARANTINE, RESTORE
from app.responses.group_commit import GroupCommit
from app.responses.rows import ResponseRow
from app.responses.writing import Submission, WriteResult

IDS = 4000


def scores_of(id_: str, seq: int) -> dict[str, int]:
    """Return scores derived from id and seq alone, so that the test can compute them again."""
    chance = random.Random(f"{id_}{seq}")
    scores = {"score": chance.choice([chance.randint(0, 10), -1])}
    if chance.random() < 0.5:
        scores["speed"] = chance.choice([1, 2, 3, 4, 5, -2])
    return scores


def row(survey: UUID, id_: UUID, seq: int) -> ResponseRow:
    chance = random.Random(f"{id_}")
    scores = json.dumps(scores_of(str(id_), seq)).encode()
    return ResponseRow(
        id=id_, survey_id=survey, survey_version=1, seq=seq,
        channel=chance.choice(["web", "email"]), touchpoint=f"t{chance.randint(0, 2)}",
        locale=chance.choice(["pl", "ro"]), complete=True, test=False, state="counted",
        answers=Raw(scores), scores=Raw(scores), tags=Raw(b"[]"), imported=False,
        properties=Raw(b'{"store":"s%d"}' % chance.randint(0, 2)), follow_up="none",
        responded_at=utc_now().replace(hour=chance.randint(0, 23)), event_id=uuid7(),
    )  # fmt: skip


def some_id(chance: random.Random) -> UUID:
    number = int(chance.paretovariate(0.25)) % IDS
    return UUID(bytes=hashlib.sha256(b"%d" % number).digest()[:16], version=4)


async def write(group: GroupCommit, chance: random.Random, context: dict[str, Any]) -> None:
    while time.time() < context["until"]:
        rows = [
            row(context["survey"], some_id(chance), chance.choice([1, 1, 1, 2, 2, 3, 4]))
            for _ in range(chance.choice([1, 3, 20, 100, 300]))
        ]
        result = await group.write(
            context["workspace"], [Submission(line) for line in rows], events=True
        )
        for sent, written in zip(rows, result, strict=True):
            assert isinstance(written, WriteResult)
            context["acknowledged"].append([str(sent.id), sent.seq, written.outcome.value])


async def edit(database: Database, chance: random.Random, context: dict[str, Any]) -> None:
    connection = await database.connect()
    while time.time() < context["until"]:
        ids = list({some_id(chance) for _ in range(chance.choice([1, 5, 40]))})
        statement = chance.choice(
            [QUARANTINE, RESTORE, QUARANTINE, RESTORE, QUARANTINE, RESTORE, DELETE]
        )
        try:
            await connection.fetch(
                statement,
                context["workspace"],
                utc_now(),
                context["slot"],
                ids,
                [uuid7() for _ in ids],
            )
        except CONNECTION_LOST:
            await asyncio.sleep(0.2)
            connection.terminate()
            while connection.is_closed():
                try:
                    connection = await database.connect()
                except CONNECTION_LOST:
                    await asyncio.sleep(0.1)
        await asyncio.sleep(0.01)
    await connection.close()


async def work(arguments: list[str]) -> Any:
    url, workspace, survey, until, number = arguments
    context = {
        "workspace": UUID(workspace), "survey": UUID(survey), "until": float(until),
        "slot": int(number), "acknowledged": [],
    }  # fmt: skip
    database = Database(url)
    group = GroupCommit(database, slot=int(number), max_waiting=10_000)
    chance = random.Random(number)
    await asyncio.gather(
        write(group, chance, context),
        write(group, chance, context),
        edit(database, chance, context),
    )
    await group.close()
    return context["acknowledged"]


if __name__ == "__main__":
    Path(sys.argv[-1]).write_text(json.dumps(asyncio.run(work(sys.argv[1:-1]))))
