# SPDX-License-Identifier: Apache-2.0
"""Prepare the database before the service starts: its schema, the first workspace, the demo.

`afterword up` runs this module as a process of its own: it loads the application, which the
process that supervises the others does not need.
"""

import asyncio
import sys

from app.cli.backups import dump_before_migration
from app.cli.demo import fill_demo
from app.cli.terminal import errors_as_sentences, out, read_settings
from app.core.database import Database
from app.core.migrations import upgrade
from app.core.postgres import complete_owner
from app.core.schema_version import is_current
from app.core.settings import Settings
from app.surveys.question_entries import complete_entries
from app.workspaces.service import ensure_default


def prepare(settings: Settings, url: str) -> None:
    """Migrate, make the default workspace, fill the demo; print the keys that were made.

    An embedded database whose schema changes is dumped before.
    """
    if not asyncio.run(is_schema_current(url)):
        dump = dump_before_migration(settings, url) if settings.embedded else None
        if dump is not None:
            message = f"Before its schema changes, the database was kept in {dump}."
            out.print(message, markup=False)
    key, demo_key = asyncio.run(_fill(settings, url))
    if key:
        out.print("\nAdmin key of the workspace `default`, shown this once:\n")
        out.print(f"  {key}\n", markup=False)
    if demo_key:
        out.print("Key of the workspace `demo` (a year of made-up answers), shown this once:\n")
        out.print(f"  {demo_key}\n", markup=False)


async def is_schema_current(url: str) -> bool:
    """Tell whether a database has the newest schema."""
    async with Database(url) as database:
        return await is_current(database)


async def _fill(settings: Settings, url: str) -> tuple[str | None, str | None]:
    """Bring the database up to date; return the keys of the default workspace and the demo."""
    async with Database(url) as database:
        if not await is_current(database):
            await upgrade(database)
        # A cluster takes no reference table into a transaction that wrote to several nodes.
        async with database.transaction() as session:
            await complete_entries(session)
        async with database.transaction() as session:
            key = await ensure_default(session, settings)
        return key, await fill_demo(database, settings) if settings.demo else None


def main() -> None:
    """Load, wait for the database's URL on standard input, and prepare that database."""
    with errors_as_sentences():
        settings = read_settings()
        if url := sys.stdin.read().strip():
            if settings.embedded:
                complete_owner(settings.data_dir)
            prepare(settings, url)


if __name__ == "__main__":
    main()
