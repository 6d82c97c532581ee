# SPDX-License-Identifier: Apache-2.0
"""The database that a command works on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from app.cli.terminal import notes
from app.core.database import Database
from app.core.postgres import attached_database
from app.core.schema_version import is_current
from app.core.settings import Settings

T = TypeVar("T")

WorkspaceOption = Annotated[str, typer.Option("--workspace", help="The workspace's key.")]


def run_work(
    settings: Settings, work: Callable[[Database], Awaitable[T]], *, any_schema: bool = False
) -> T:
    """Run some work on the database, whose schema must be current."""

    async def check_and_run(url: str) -> T:
        async with Database(url) as database:
            if not any_schema and not await is_current(database):
                notes.print("afterword: the schema is not current; run `afterword migrate`.")
                raise typer.Exit(1)
            return await work(database)

    with attached_database(settings) as url:
        return asyncio.run(check_and_run(url))
