# SPDX-License-Identifier: Apache-2.0
"""Commands that read files in: answers, tickets, customers. Each looks first, then takes."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from app.cli.command_database import WorkspaceOption, run_work
from app.cli.file_import import ImportPlan, as_options, import_file
from app.cli.terminal import out, read_settings
from app.core.database import Database
from app.core.errors import InvalidInput
from app.core.garbage_collection import freeze_loaded_objects
from app.imports import customer_rows, ticket_rows
from app.imports.options import FIELDS, source_of
from app.imports.schemas import ImportQuery
from app.workspaces import service as workspaces

commands = typer.Typer()

_File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="CSV, xlsx, ods, NDJSON or JSON.")
]
_Constants = Annotated[list[str], typer.Option("--set", help="FIELD=VALUE for all rows.")]
_Where = Annotated[list[str], typer.Option(help="COLUMN=VALUE: only such rows.")]
_Ignore = Annotated[list[str], typer.Option(help="Column to leave out.")]
_Encoding = Annotated[str, typer.Option(help="Such as cp1250; default: detected.")]
_Sheet = Annotated[str, typer.Option(help="The sheet to read; default: the first.")]
_SkipRows = Annotated[int, typer.Option(help="Rows before the header.")]
_Zone = Annotated[str, typer.Option(help="Time zone of dates that have none.")]
_DateFormat = Annotated[str, typer.Option(help="dmy, mdy, or a form such as %d/%m/%Y.")]
_Preset = Annotated[str, typer.Option(help="Another tool's export, by name.")]
_Replace = Annotated[str, typer.Option(help="Id of an import that the file replaces.")]
_AllowRejects = Annotated[bool, typer.Option(help="Import the valid rows.")]
_DryRun = Annotated[bool, typer.Option(help="Only show what would be imported.")]
_Yes = Annotated[bool, typer.Option(help="Do not ask.")]
_Column = Annotated[str, typer.Option(help="Name of the column.")]


def _import(
    file: Path, options: dict[str, Any], *, workspace: str, dry_run: bool, yes: bool
) -> None:
    """Read a file with these options; exit with 1 if the file, or any row taken, was refused."""
    parameters = {name: value for name, value in options.items() if value != ""}
    parameters.setdefault("source", source_of(file.name))

    async def work(database: Database) -> int:
        try:
            query = ImportQuery.model_validate(parameters | {"name": file.name})
        except ValidationError as error:
            fault = error.errors()[0]
            option = "--" + str(fault["loc"][0]).replace("_", "-") if fault["loc"] else "An option"
            msg = f"{option}: {fault['msg'].removeprefix('Value error, ')}."
            raise InvalidInput(msg) from None
        plan = ImportPlan(file, query.target(), query.options(), dry_run=dry_run, yes=yes)
        freeze_loaded_objects()
        try:
            return await import_file(database, plan, workspace=workspace, console=out)
        except InvalidInput as error:
            raise InvalidInput(as_options(str(error))) from None

    if run_work(read_settings(), work):
        raise typer.Exit(1)


@commands.command("import")
def import_answers(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: _File,
    survey: Annotated[str, typer.Option(help="Key or id of the survey.")],
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
    source: Annotated[
        str, typer.Option(help="The name of the file's source; default: the file's name.")
    ] = "",
    maps: Annotated[
        list[str],
        typer.Option(
            "--map", help=f"COLUMN=FIELD: a question, {', '.join(FIELDS)}, property.NAME."
        ),
    ] = [],  # noqa: B006 - typer wants a plain list
    constants: _Constants = [],  # noqa: B006 - the same
    value: Annotated[list[str], typer.Option(help="QUESTION:TEXT=SCORE.")] = [],  # noqa: B006 - the same
    where: _Where = [],  # noqa: B006 - the same
    ignore: _Ignore = [],  # noqa: B006 - the same
    missing: Annotated[list[str], typer.Option(help="COLUMN=VALUE that means: not answered.")] = [],  # noqa: B006 - the same
    na: Annotated[list[str], typer.Option(help="COLUMN=VALUE that means: not applicable.")] = [],  # noqa: B006 - the same
    pivot: Annotated[
        str, typer.Option(help="QUESTION_COLUMN:ANSWER_COLUMN, one answer a row.")
    ] = "",
    by: Annotated[str, typer.Option(help="With --pivot: the column of ids.")] = "",
    encoding: _Encoding = "",
    sheet: _Sheet = "",
    skip_rows: _SkipRows = 0,
    timezone: _Zone = "",
    date_format: _DateFormat = "",
    undated: Annotated[str, typer.Option(help="`now` or a date, for rows without one.")] = "",
    preset: _Preset = "",
    replace: _Replace = "",
    ticket_source: Annotated[str, typer.Option(help="Helpdesk of the ticket numbers.")] = "",
    *,
    allow_rejects: _AllowRejects = False,
    dry_run: _DryRun = False,
    yes: _Yes = False,
) -> None:
    """Read answers from a file: look first, then take; an interrupted run can be continued."""
    options = {
        "survey": survey, "source": source, "map": maps,
        "set": constants, "value": value, "where": where, "ignore": ignore, "missing": missing,
        "na": na, "pivot": pivot, "by": by, "encoding": encoding, "sheet": sheet,
        "skip_rows": skip_rows, "timezone": timezone, "date_format": date_format,
        "undated": undated, "preset": preset, "replace": replace, "ticket_source": ticket_source,
        "allow_rejects": allow_rejects,
    }  # fmt: skip
    _import(file, options, workspace=workspace, dry_run=dry_run, yes=yes)


@commands.command()
def import_tickets(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: _File,
    source: Annotated[str, typer.Option(help="The helpdesk, such as zendesk.")],
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
    id_: Annotated[str, typer.Option("--id", help="Column of the ticket's number.")] = "",
    opened: _Column = "",
    first_reply: _Column = "",
    solved: _Column = "",
    reopened: Annotated[
        str, typer.Option(help="Column of when, or how often, it was reopened.")
    ] = "",
    closed: _Column = "",
    customer_email: _Column = "",
    customer_id: _Column = "",
    agent: _Column = "",
    team: _Column = "",
    touchpoint: _Column = "",
    event: Annotated[
        str, typer.Option(help="For files of one event a row: the column of the event's name.")
    ] = "",
    at: Annotated[
        str, typer.Option(help="For files of one event a row: the column of the event's time.")
    ] = "",
    event_name: Annotated[
        list[str], typer.Option(help="NAME=TYPE, such as Resolved=ticket.solved.")
    ] = [],  # noqa: B006 - typer wants a plain list
    maps: Annotated[
        list[str],
        typer.Option("--map", help=f"COLUMN=FIELD: {', '.join(ticket_rows.FIELDS)}."),
    ] = [],  # noqa: B006 - the same
    constants: _Constants = [],  # noqa: B006 - typer wants a plain list
    where: _Where = [],  # noqa: B006 - the same
    ignore: _Ignore = [],  # noqa: B006 - the same
    encoding: _Encoding = "",
    sheet: _Sheet = "",
    skip_rows: _SkipRows = 0,
    timezone: _Zone = "",
    date_format: _DateFormat = "",
    preset: _Preset = "",
    replace: _Replace = "",
    *,
    allow_rejects: _AllowRejects = False,
    dry_run: _DryRun = False,
    yes: _Yes = False,
) -> None:
    """Read tickets from a file, one a row or one event a row; other columns are properties."""
    options = {
        "kind": "tickets", "source": source, "id": id_, "opened": opened,
        "first_reply": first_reply, "solved": solved, "reopened": reopened, "closed": closed,
        "customer_email": customer_email, "customer_id": customer_id, "agent": agent,
        "team": team, "touchpoint": touchpoint, "event": event, "at": at,
        "event_name": event_name, "map": maps,
        "set": constants, "where": where, "ignore": ignore, "encoding": encoding, "sheet": sheet,
        "skip_rows": skip_rows, "timezone": timezone, "date_format": date_format,
        "preset": preset, "replace": replace, "allow_rejects": allow_rejects,
    }  # fmt: skip
    _import(file, options, workspace=workspace, dry_run=dry_run, yes=yes)


@commands.command()
def import_customers(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: _File,
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
    source: Annotated[
        str, typer.Option(help="The name of the file's source; default: the file's name.")
    ] = "",
    maps: Annotated[
        list[str],
        typer.Option("--map", help=f"COLUMN=FIELD: {', '.join(customer_rows.FIELDS)}."),
    ] = [],  # noqa: B006 - typer wants a plain list
    constants: _Constants = [],  # noqa: B006 - typer wants a plain list
    where: _Where = [],  # noqa: B006 - the same
    ignore: _Ignore = [],  # noqa: B006 - the same
    encoding: _Encoding = "",
    sheet: _Sheet = "",
    skip_rows: _SkipRows = 0,
    timezone: _Zone = "",
    date_format: _DateFormat = "",
    preset: _Preset = "",
    replace: _Replace = "",
    *,
    allow_rejects: _AllowRejects = False,
    dry_run: _DryRun = False,
    yes: _Yes = False,
) -> None:
    """Read customers from a file, one a row; other columns are properties of theirs."""
    options = {
        "kind": "customers", "source": source, "map": maps,
        "set": constants, "where": where, "ignore": ignore, "encoding": encoding, "sheet": sheet,
        "skip_rows": skip_rows, "timezone": timezone, "date_format": date_format,
        "preset": preset, "replace": replace, "allow_rejects": allow_rejects,
    }  # fmt: skip
    _import(file, options, workspace=workspace, dry_run=dry_run, yes=yes)
