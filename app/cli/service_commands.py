# SPDX-License-Identifier: Apache-2.0
"""Commands that run the service. This module loads neither the web framework nor the database."""

import os
import sys
from typing import Annotated

import typer

from app.cli.processes import Processes, listen, preparation
from app.cli.terminal import out, read_settings
from app.core.postgres import EmbeddedPostgres
from app.core.postgres_programs import PostgresUnavailableError
from app.core.settings import Settings
from app.core.signing import load_secret_keys

commands = typer.Typer()


@commands.command()
def up(
    *,
    demo: Annotated[
        bool, typer.Option(help="Also fill a workspace with a year of answers.")
    ] = False,
) -> None:
    """Start everything: database, migrations, API and worker."""
    settings = read_settings()
    postgres = None
    with listen(settings) as listening:
        update = {"port": listening.getsockname()[1], "demo": demo or settings.demo}
        settings = settings.model_copy(update=update)
        make_data_folder(settings)
        try:
            # It loads while PostgreSQL starts.
            with preparation(settings) as prepare:
                if settings.embedded:
                    postgres = EmbeddedPostgres(settings)
                    settings = settings.model_copy(update={"database_url": postgres.start()})
                if code := prepare(settings.database_url or ""):
                    raise typer.Exit(code)
            processes = Processes(settings, postgres=postgres)
            processes.add_web(listening)
            processes.add_worker()
            message = (
                f"Afterword listens on {settings.base_url} (dashboard: /, documentation: /docs)"
            )
            if settings.demo:
                message += f"\nThe demo's shop is at {settings.base_url}/demo/shop"
            processes.run(lambda: out.print(message))
        finally:
            if postgres:
                postgres.stop()


def make_data_folder(settings: Settings) -> None:
    """Make the data folder and, when embedded, its generated secrets."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    load_secret_keys(settings)


@commands.command()
def serve() -> None:
    """Start the web processes alone, on a database that is there."""
    settings = _require_database(read_settings())
    with listen(settings) as listening:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
        processes = Processes(settings, postgres=None)
        processes.add_web(listening)
        processes.run(lambda: out.print(f"Afterword listens on {settings.base_url}"))


@commands.command()
def worker() -> None:
    """Start the background worker alone; any number may run."""
    _require_database(read_settings())
    os.execv(sys.executable, [sys.executable, "-m", "app.worker"])  # noqa: S606 - ourselves


def _require_database(settings: Settings) -> Settings:
    if settings.database_url is None:
        msg = "This command needs AFTERWORD_DATABASE_URL; `afterword up` runs an embedded database."
        raise PostgresUnavailableError(msg)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return settings
