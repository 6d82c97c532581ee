"""The command `afterword`: start the service, and look after it."""

import asyncio
import os
import sys
from importlib.metadata import version as distribution_version
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer
from pydantic import ValidationError

from app.cli import data_commands, import_commands
from app.cli.agreement import differences
from app.cli.backups import dump_before_migration
from app.cli.processes import CannotListenError, Processes, listen
from app.cli.running import WorkspaceOption, notes, out, read_settings, run_work
from app.core import jobs
from app.core.database import Database
from app.core.errors import AfterwordError
from app.core.postgres import EmbeddedPostgres, attached
from app.core.postgres_programs import PostgresUnavailableError
from app.core.schema_version import is_current, newest_revision
from app.core.settings import Settings
from app.core.signing import load_secret_keys
from app.core.text import fit_email
from app.interactions import tickets as ticket_service
from app.invitations.mail import write_test_mail
from app.invitations.mailer import Mailer, MailOutcome, MailResult, MailWaitsError
from app.invitations.sending import sender_of
from app.responses import rollups as rollup_service
from app.workspaces import service as workspaces
from app.workspaces.schemas import ApiKeyIn
from app.workspaces.scopes import Scope

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Afterword asks customers for a word and serves exact customer-experience figures.",
)
key_commands = typer.Typer(no_args_is_help=True, help="API keys.")
rollup_commands = typer.Typer(no_args_is_help=True, help="The counts that figures are read from.")
app.add_typer(key_commands, name="key")
app.add_typer(rollup_commands, name="rollups")
job_commands = typer.Typer(help="Background work: what waits, what is dead.")
app.add_typer(job_commands, name="jobs")
app.command("bi-role")(data_commands.bi_role)
app.command("import")(import_commands.import_answers)
app.command("import-tickets")(import_commands.import_tickets)
app.command("import-customers")(import_commands.import_customers)


@app.callback()
def _show_version(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    if version:
        out.print(distribution_version("afterword"), markup=False)
        raise typer.Exit


for _command in (
    data_commands.backup,
    data_commands.restore,
    data_commands.move,
    data_commands.resume,
    data_commands.doctor,
):
    app.command()(_command)


def main() -> None:
    """Run the command line; what the operator can mend is one clear sentence, no traceback."""
    try:
        app()
    except (PostgresUnavailableError, CannotListenError, AfterwordError) as error:
        notes.print(f"afterword: {error}", markup=False)
        sys.exit(1)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        notes.print(f"afterword: {error}", markup=False)
        sys.exit(1)
    except ValidationError as error:
        for wrong in error.errors():
            name = "_".join(["AFTERWORD", *map(str, wrong["loc"])]).upper()
            message = wrong["msg"].removeprefix("Value error, ")
            notes.print(f"afterword: {name}: {message}", markup=False)
        sys.exit(2)


async def _prepare(settings: Settings, url: str) -> tuple[str | None, str | None]:
    """Migrate, make the default workspace, fill the demo; return keys that were made."""
    async with Database(url) as database:
        if not await is_current(database):
            # Alembic is slow to load, and most starts do not need it.
            from app.core.migrations import upgrade  # noqa: PLC0415

            await upgrade(database)
        async with database.transaction() as session:
            key = await workspaces.ensure_default(session, settings)
        if not settings.demo:
            return key, None
        # It loads the pages, and most starts do not need it.
        from app.cli.demo import fill_demo  # noqa: PLC0415

        return key, await fill_demo(database, settings)


def _show_keys(key: str | None, demo_key: str | None) -> None:
    if key:
        out.print("\nAdmin key of the workspace `default`, shown this once:\n")
        out.print(f"  {key}\n", markup=False)
    if demo_key:
        out.print("Key of the workspace `demo` (a year of made-up answers), shown this once:\n")
        out.print(f"  {demo_key}\n", markup=False)


@app.command()
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
        load_secret_keys_folder(settings)
        try:
            if settings.embedded:
                postgres = EmbeddedPostgres(settings)
                settings = settings.model_copy(update={"database_url": postgres.start()})
                _keep_before_migration(settings, settings.database_url or "")
            _show_keys(*asyncio.run(_prepare(settings, settings.database_url or "")))
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


async def _is_current(url: str) -> bool:
    async with Database(url) as database:
        return await is_current(database)


def _keep_before_migration(settings: Settings, url: str) -> None:
    """Dump an embedded database whose schema is about to change."""
    kept = None if asyncio.run(_is_current(url)) else dump_before_migration(settings, url)
    if kept is not None:
        out.print(f"Before its schema changes, the database was kept in {kept}.", markup=False)


def load_secret_keys_folder(settings: Settings) -> None:
    """Make the data folder and, when embedded, its generated secrets."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    load_secret_keys(settings)


@app.command()
def serve() -> None:
    """Start the web processes alone, on a database that is there."""
    settings = _require_database(read_settings())
    with listen(settings) as listening:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
        processes = Processes(settings, postgres=None)
        processes.add_web(listening)
        processes.run(lambda: out.print(f"Afterword listens on {settings.base_url}"))


@app.command()
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


@app.command()
def migrate(
    *,
    check: Annotated[bool, typer.Option(help="Only tell: exit 1 where some are missing.")] = False,
) -> None:
    """Bring the schema to its present form."""
    settings = read_settings()

    with attached(settings) as url:
        if check:
            current = asyncio.run(_is_current(url))
            out.print(
                f"The schema is {'current' if current else 'not current'} ({newest_revision()})."
            )
            raise typer.Exit(0 if current else 1)
        if settings.embedded:
            _keep_before_migration(settings, url)
        _show_keys(*asyncio.run(_prepare(settings, url)))
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
            found = await workspaces.find_workspace(session, workspace)
            wanted = ApiKeyIn(name=name, scopes=scope, test=test)
            return (await workspaces.create_key(session, found.id, wanted))[1]

    out.print(run_work(read_settings(), work), markup=False)


@rollup_commands.command("check")
def check_rollups(workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE) -> None:
    """Compare the rollups with the rows; exit 1 on a difference."""

    async def work(database: Database) -> list[dict[str, object]]:
        async with database.session() as session:
            found = await workspaces.find_workspace(session, workspace)
        return await differences(database, found.id)

    found = run_work(read_settings(), work)
    for difference in found[:20]:
        out.print(str(difference), markup=False)
    if found:
        out.print(f"{len(found)} cells differ; `afterword rollups rebuild` repairs them.")
        raise typer.Exit(1)
    out.print("Rollups and rows agree.")


@rollup_commands.command("rebuild")
def rebuild_rollups(workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE) -> None:
    """Count the rollups anew from the rows; writers wait meanwhile."""

    async def work(database: Database) -> None:
        async with database.session() as session:
            found = await workspaces.find_workspace(session, workspace)
        await rollup_service.rebuild(database, found.id)
        await ticket_service.rebuild_ticket_counts(database, found.id)

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

    async def work(database: Database) -> tuple[jobs.Overview, list[dict[str, Any]]]:
        async with database.session() as session:
            found = await jobs.overview(session)
            return found, await jobs.list_jobs(session, dead=dead, limit=limit)

    found, rows = run_work(read_settings(), work)
    out.print(
        f"due {found.due}, running {found.running}, waiting {found.waiting}, dead {found.dead}; "
        f"the oldest due one waits for {found.oldest_due_seconds:.0f} s"
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


@app.command("mail-test")
def mail_test(
    address: Annotated[str, typer.Argument(help="Who gets it.")],
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
) -> None:
    """Send a test mail as the workspace would, and say what became of it."""
    settings = read_settings()
    if fit_email(address) is None:
        notes.print(f"afterword: {address} is no e-mail address.", markup=False)
        raise typer.Exit(2)

    async def work(database: Database) -> MailResult:
        async with database.session() as session:
            found = await workspaces.find_workspace(session, workspace)
        message = write_test_mail(sender_of(found, settings), address, settings.base_url)
        return await Mailer(settings).send(message)

    try:
        result = run_work(settings, work)
    except MailWaitsError as error:
        out.print(f"Not sent: {error}", markup=False)
        raise typer.Exit(1) from None
    message = f": {result.detail}" if result.detail else ""
    out.print(f"The mail to {address} is {result.outcome}{message}.", markup=False)
    raise typer.Exit(1 if result.outcome is MailOutcome.BOUNCED else 0)


if __name__ == "__main__":
    main()
