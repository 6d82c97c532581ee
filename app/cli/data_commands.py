# SPDX-License-Identifier: Apache-2.0
"""Commands about the data as a whole: who reads it by SQL, its copies, its health."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from app.cli.backups import back_up
from app.cli.backups import move as move_database
from app.cli.backups import restore as restore_backup
from app.cli.command_database import WorkspaceOption, run_work
from app.cli.doctor import examine
from app.cli.findings import Severity
from app.cli.terminal import notes, out, read_settings
from app.core import flags
from app.core.database import Database
from app.core.postgres import role_maker_url
from app.exports import bi_roles
from app.workspaces import service as workspaces

commands = typer.Typer()

_ELSEWHERE = (
    "The embedded database is reached from this machine alone. From elsewhere: an SSH tunnel "
    "(`ssh -L 5432:127.0.0.1:{port} HOST`), a PostgreSQL of your own (`afterword move`), or CSV "
    "and OData over HTTPS."
)


@commands.command()
def bi_role(
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
    drop: Annotated[
        str | None, typer.Option(help="Drop this role instead, and its schema.")
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(help="Give it a schema of its own to write to, for tools such as dbt."),
    ] = None,
    *,
    personal: Annotated[bool, typer.Option(help="It may read customers' names, too.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the roles instead.")] = False,
) -> None:
    """Make a read-only login for a BI tool and print its URL, alone on its line."""
    settings = read_settings()

    async def work(database: Database) -> list[str]:
        maker = role_maker_url(settings, database.url)
        if listed:
            roles = await bi_roles.list_roles(database, workspace)
            return [
                f"{role.role}  {'personal' if role.personal else ''}".rstrip() for role in roles
            ]
        if drop is not None:
            await bi_roles.drop_role(database, maker_url=maker, role=drop)
            return [f"The role {drop} is dropped."]
        new_role = await bi_roles.create_role(
            database,
            maker_url=maker,
            workspace_key=workspace,
            personal=personal,
            schema=schema,
        )
        if settings.embedded:
            notes.print(_ELSEWHERE.format(port=urlsplit(database.url).port), markup=False)
        return [new_role.url]

    for line in run_work(settings, work):
        out.print(line, markup=False)


@commands.command()
def backup(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write it.")],
) -> None:
    """Write the database and its secrets into one file, while the service goes on."""
    settings = read_settings()
    back_up(settings, file.absolute())
    size = file.stat().st_size / 1e6
    out.print(f"The backup is {file} ({size:.1f} MB). It holds the secrets too: keep it private.")


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A backup.")],
    erasures: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="`erasures.ndjson` of the data folder in use."
        ),
    ] = None,
) -> None:
    """Load a backup into an empty data folder or database; nothing is sent until `resume`."""
    settings = read_settings()
    restore_backup(settings, file, lambda line: out.print(line, markup=False), journal=erasures)
    if erasures is None:
        notes.print(
            "afterword: customers who were erased since the backup are back, unless the data "
            "folder held their list. To erase them again: --erasures OLD_FOLDER/erasures.ndjson",
            markup=False,
        )
    out.print(
        "Restored. Mails and webhooks are paused: look at everything with `afterword up`, stop the "
        "old service, then `afterword resume` and start again."
    )


@commands.command()
def move(
    target: Annotated[str, typer.Option("--to", help="`postgresql://…`, empty, 15 or newer.")],
) -> None:
    """Take the embedded database to a real PostgreSQL, and compare both sides."""
    settings = read_settings()
    move_database(settings, target, lambda line: out.print(line, markup=False))
    keys = settings.data_dir / "secret_keys"
    out.print(
        "Moved. Set AFTERWORD_DATABASE_URL to the new database and AFTERWORD_SECRET_KEYS to what "
        f"is in {keys}, then start. BI roles are made anew. The old database stays, and sends "
        "nothing.",
        markup=False,
    )


@commands.command()
def resume() -> None:
    """Let a restored copy send mails and webhooks."""

    async def work(database: Database) -> bool:
        async with database.transaction() as session:
            paused = await flags.read(session, flags.PAUSED)
            await flags.write(session, flags.PAUSED, None)
            return paused is not None

    was_paused = run_work(read_settings(), work)
    out.print("Sending is on from the next start." if was_paused else "Nothing was paused.")


@commands.command()
def doctor() -> None:
    """Look at everything, and say what to do; exit 1 where something is broken."""
    settings = read_settings()

    async def work(database: Database) -> int:
        broken = 0
        async for finding in examine(settings, database):
            out.print(f"{finding.severity:<5} {finding.summary}", markup=False)
            if finding.remedy:
                out.print(f"      → {finding.remedy}", markup=False)
            broken += finding.severity is Severity.FAIL
        return broken

    if run_work(settings, work, any_schema=True):
        raise typer.Exit(1)
