# SPDX-License-Identifier: Apache-2.0
"""`afterword import`: shows what it saw in a file, asks, and takes it; resumable, with progress."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.core.database import Database
from app.imports import service
from app.imports.options import ImportOptions, ImportTarget
from app.imports.rejects import encoding_of_rejects, write_rejects
from app.imports.schemas import ImportQuery
from app.imports.source_file import SourceFile
from app.responses.group_commit import GroupCommit
from app.responses.ingest import Ingest
from app.workspaces.service import find_workspace

_NAMED = re.compile(r"`([a-z_]+)`")
_MAX_COLUMNS, _MAX_REASONS = 40, 20


@dataclass(frozen=True)
class ImportPlan:
    """What to read, of which kind or survey, and whether to ask before it is taken."""

    file: Path
    target: ImportTarget
    options: ImportOptions
    dry_run: bool = False
    yes: bool = False


async def import_file(
    database: Database, plan: ImportPlan, *, workspace: str, console: Console
) -> int:
    """Look at the file and take it; return the number of rejected rows, or 1 where it is refused.

    The rejected rows lie in a file beside it.
    """
    async with database.session() as session:
        workspace_id = (await find_workspace(session, workspace)).id
    group = GroupCommit(database, slot=0, max_waiting=2000)
    ingest = Ingest.for_command(database, group)
    path = plan.file
    source = SourceFile(path.name, lambda: path.open("rb"))
    try:
        with console.status(f"Looking at {path.name} …"):
            inspection = await service.inspect_file(
                database, workspace_id, plan.target, source, plan.options
            )
        _show(inspection.report, console)
        rejected = len(inspection.file.scan.rejected)
        if not plan.dry_run:
            _write_rejects(inspection, path)
            if rejected:
                beside = _rejects_path(path)
                console.print(f"The rejected rows, with reasons: {beside}", markup=False)
        if inspection.refused is not None:
            console.print(f"Nothing was taken: {as_options(inspection.refused)}", markup=False)
            return max(1, rejected)
        if plan.dry_run:
            return 0
        if not plan.yes and sys.stdin.isatty() and not typer.confirm("Import it?"):
            return 0
        return await _take(ingest, workspace_id, inspection, console, path)
    finally:
        await group.close()


async def _take(
    ingest: Ingest,
    workspace_id: UUID,
    inspection: service.FileInspection,
    console: Console,
    path: Path,
) -> int:
    run, importer = await service.begin_import(ingest, workspace_id, inspection)
    _write_rejects(inspection, path, run.id)
    if run.status == "done":
        console.print(
            "This file was imported before with the same options; its rows are compared again."
        )
    elif run.lines_done:
        console.print(
            f"An earlier import was interrupted after line {run.lines_done:,}; its rows are "
            "compared again."
        )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(inspection.file.name, total=inspection.report["rows"]["seen"])
        report = await service.take(
            ingest.database, run, importer, inspection, lambda n: progress.update(task, completed=n)
        )
    rejected = len(inspection.file.scan.rejected) + len(report["not_stored"])
    kept_rows = report.get("kept", 0)
    parts = [
        f"{report['added']:,} accepted", f"{report['updated']:,} updated",
        f"{report['already_here']:,} already here", f"{report['removed']:,} removed",
        *([f"{kept_rows:,} kept because another file has them"] if kept_rows else []),
        f"{rejected:,} rejected",
    ]  # fmt: skip
    console.print(f"{', '.join(parts)}. Import {run.id}")
    for row in report["not_stored"][:_MAX_REASONS]:
        console.print(f"Line {row['line']}: {row['reason']}", markup=False)
    return rejected


def as_options(text: str) -> str:
    """Return a sentence in which the parameters of the API are the options of the command."""
    return _NAMED.sub(
        lambda match: (
            f"`--{match[1].replace('_', '-')}`"
            if match[1] in ImportQuery.model_fields
            else match[0]
        ),
        text.removeprefix("query."),
    )


def _show(report: dict[str, Any], console: Console) -> None:
    """Show what was seen."""
    form = [report[name] for name in ("encoding", "sheet", "preset") if report[name]]
    form += [f"{report['header_rows']} header rows"] if report["header_rows"] > 1 else []
    delimiter = report["delimiter"]
    form += [f"delimiter {delimiter!r}"] if delimiter else []
    console.print(f"{report['file']}: {', '.join(form)}; source `{report['source']}`", markup=False)
    if report["dates"]:
        console.print(f"Dates: {report['dates']['order']}, zone {report['dates']['timezone']}")
    table = Table("column", "example", "becomes")
    columns = sorted(report["columns"], key=lambda column: not column["becomes"])
    for column in columns[:_MAX_COLUMNS]:
        becomes = column["becomes"] or "– left out"
        table.add_row(*map(escape, (column["column"], column["example"][:40], becomes)))
    console.print(table)
    if len(columns) > _MAX_COLUMNS:
        console.print(f"{len(columns) - _MAX_COLUMNS} more columns are left out.")
    if not all(column["becomes"] for column in columns):
        console.print("Use --map COLUMN=FIELD for a column that you need.")
    for question in report["questions"]:
        if "value" in question:
            bars = "  ".join(
                f"{score}: {count:,}" for score, count in question["histogram"].items()
            )
            value = "-" if question["value"] is None else f"{question['value']:.1f}"
            console.print(f"{question['question']} ({question['metric']} {value}): {bars}")
    for name, value in report.get("figures", {}).items():
        console.print(f"{name.replace('_', ' ')}: {value}")
    _show_rows(report, console)


def _show_rows(report: dict[str, Any], console: Console) -> None:
    """Show what becomes of the rows."""
    rows = report["rows"]
    console.print(
        f"{rows['seen']:,} rows: {rows['new']:,} new, {rows['changed']:,} changed, "
        f"{rows['already_here']:,} already here, {rows['empty']:,} without an answer, "
        f"{rows['rejected']:,} rejected"
    )
    for reject in report["rejected"]:
        reason = as_options(reject["reason"])
        console.print(f"  {reject['n']:,} × line {reject['line']}, {reason}", markup=False)
    for note in report["notes"]:
        console.print(f"  {as_options(note)}", markup=False)


def _rejects_path(path: Path) -> Path:
    beside = path.with_name(f"{path.stem}.rejected.csv")
    return beside if beside != path else path.with_name(f"{path.stem}.rejected.rejected.csv")


def _write_rejects(
    inspection: service.FileInspection, path: Path, import_id: UUID | None = None
) -> None:
    beside = _rejects_path(path)
    if not inspection.file.scan.rejected:
        # An earlier run may have left some.
        beside.unlink(missing_ok=True)
        return
    encoding = encoding_of_rejects(inspection.file.table.encoding)
    with beside.open("w", newline="", encoding=encoding) as opened:
        write_rejects(inspection.file, inspection.file.scan.rejected, opened, import_id)
