"""What all commands share: where they print, their settings, and the database they work on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from app.core.database import Database
from app.core.log import configure_logging
from app.core.postgres import attached
from app.core.schema_version import is_current
from app.core.settings import Settings, misspelt_variables

T = TypeVar("T")

out = Console(highlight=False, soft_wrap=True)
notes = Console(stderr=True, highlight=False, soft_wrap=True)

WorkspaceOption = Annotated[str, typer.Option("--workspace", help="The workspace's key.")]


def read_settings() -> Settings:
    """Return the settings of the environment, and warn of names that look misspelt."""
    settings = Settings()
    configure_logging(settings.log_level)
    for misspelt in misspelt_variables():
        notes.print(f"afterword: {misspelt}", markup=False)
    return settings


def run_work(
    settings: Settings, work: Callable[[Database], Awaitable[T]], *, any_schema: bool = False
) -> T:
    """Run some work on the database, whose schema must be current."""

    async def checked(url: str) -> T:
        async with Database(url) as database:
            if not any_schema and not await is_current(database):
                notes.print("afterword: the schema is not current; run `afterword migrate`.")
                raise typer.Exit(1)
            return await work(database)

    with attached(settings) as url:
        return asyncio.run(checked(url))
