# SPDX-License-Identifier: Apache-2.0
"""Commands that look after a service: its schema, keys, counts, jobs and mail."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import typer

from app.cli.command_database import WorkspaceOption, run_work
from app.cli.preparation import is_schema_current, prepare
from app.cli.rollup_check import differences
from app.cli.terminal import notes, out, read_settings
from app.core import jobs
from app.core.database import Database
from app.core.postgres import attached_database
from app.core.schema_version import newest_revision
from app.core.text_types import normalize_email
from app.interactions import tickets as ticket_service
from app.invitations.invitation_mails import sender_of
from app.invitations.mail import write_test_mail
from app.invitations.mailer import Mailer, MailOutcome, MailResult, MailWaitsError
from app.responses import rollups as rollup_service
from app.workspaces import service as workspaces
from app.workspaces.schemas import ApiKeyIn
from app.workspaces.scopes import Scope

commands = typer.Typer()
key_commands = typer.Typer(no_args_is_help=True, help="API keys.")
rollup_commands = typer.Typer(no_args_is_help=True, help="The counts that figures are read from.")
job_commands = typer.Typer(help="Background work: what waits, what is dead.")
commands.add_typer(key_commands, name="key")
commands.add_typer(rollup_commands, name="rollups")
commands.add_typer(job_commands, name="jobs")


@commands.command()
def migrate(
    *,
    check: Annotated[bool, typer.Option(help="Change nothing; exit 1 if one is missing.")] = False,
) -> None:
    """Bring the schema to its present form."""
    settings = read_settings()

    with attached_database(settings) as url:
        if check:
            current = asyncio.run(is_schema_current(url))
            newest = newest_revision()
            state = f"current ({newest})" if current else f"older than {newest}"
            out.print(f"The schema is {state}.")
            raise typer.Exit(0 if current else 1)
        prepare(settings, url)
        out.print(f"The schema is current ({newest_revision()}).")


@key_commands.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[Scope], typer.Option(help="May be given several times.")],
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
    *,
    test: Annotated[bool, typer.Option(help="All that it writes is a test.")] = False,
) -> None:
    """Make an API key and print its secret, alone on its line."""

    async def work(database: Database) -> str:
        async with database.transaction() as session:
            workspace_row = await workspaces.find_workspace(session, workspace)
            api_key = ApiKeyIn(name=name, scopes=scope, test=test)
            return (await workspaces.create_key(session, workspace_row.id, api_key))[1]

    out.print(run_work(read_settings(), work), markup=False)


@rollup_commands.command("check")
def check_rollups(workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE) -> None:
    """Compare the rollups with the rows; exit 1 on a difference."""

    async def work(database: Database) -> list[dict[str, object]]:
        async with database.session() as session:
            workspace_row = await workspaces.find_workspace(session, workspace)
        return await differences(database, workspace_row.id)

    cells = run_work(read_settings(), work)
    for difference in cells[:20]:
        out.print(str(difference), markup=False)
    if cells:
        out.print(f"{len(cells)} cells differ; `afterword rollups rebuild` repairs them.")
        raise typer.Exit(1)
    out.print("Rollups and rows agree.")


@rollup_commands.command("rebuild")
def rebuild_rollups(workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE) -> None:
    """Count the rollups anew from the rows; writers wait meanwhile."""

    async def work(database: Database) -> None:
        async with database.session() as session:
            workspace_row = await workspaces.find_workspace(session, workspace)
        await rollup_service.rebuild(database, workspace_row.id)
        await ticket_service.rebuild_ticket_counts(database, workspace_row.id)

    run_work(read_settings(), work)
    out.print("Rollups are counted anew.")


@job_commands.callback(invoke_without_command=True)
def list_jobs(
    context: typer.Context,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="Only those out of attempts.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """Count the jobs, and list those that wait or, with --dead, those out of attempts."""
    if context.invoked_subcommand is not None:
        return

    async def work(database: Database) -> tuple[jobs.JobCounts, list[dict[str, Any]]]:
        async with database.session() as session:
            counts = await jobs.count_jobs(session)
            return counts, await jobs.list_jobs(session, dead=dead, limit=limit)

    tally, rows = run_work(read_settings(), work)
    out.print(
        f"due {tally.due}, running {tally.running}, waiting {tally.waiting}, dead {tally.dead}; "
        f"the oldest due one waits for {tally.oldest_due_seconds:.0f} s"
    )
    for row in rows:
        tries = f"{row['attempts']}/{row['max_attempts']}"
        line = f"{row['id']}  {row['kind']}  {tries}  {row['run_at']:%Y-%m-%d %H:%M:%S}Z"
        out.print(f"{line}  {row['error'] or ''}", markup=False)


@job_commands.command("retry")
def retry_jobs(
    ids: Annotated[list[UUID] | None, typer.Argument(help="Default: all dead ones.")] = None,
) -> None:
    """Give dead jobs their attempts anew."""

    async def work(database: Database) -> int:
        async with database.transaction() as session:
            return await jobs.retry_dead(session, ids or None)

    out.print(f"{run_work(read_settings(), work)} jobs run again.")


@commands.command("mail-test")
def mail_test(
    address: Annotated[str, typer.Argument(help="Who gets it.")],
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
) -> None:
    """Send a test mail as the workspace would, and say what became of it."""
    settings = read_settings()
    if normalize_email(address) is None:
        notes.print(f"afterword: {address} is not an e-mail address.", markup=False)
        raise typer.Exit(2)

    async def work(database: Database) -> MailResult:
        async with database.session() as session:
            workspace_row = await workspaces.find_workspace(session, workspace)
        message = write_test_mail(sender_of(workspace_row, settings), address, settings.base_url)
        return await Mailer(settings).send(message)

    try:
        result = run_work(settings, work)
    except MailWaitsError as error:
        out.print(f"Not sent: {error}", markup=False)
        raise typer.Exit(1) from None
    message = f": {result.detail}" if result.detail else ""
    out.print(f"The mail to {address} is {result.outcome}{message}.", markup=False)
    raise typer.Exit(1 if result.outcome is MailOutcome.BOUNCED else 0)
