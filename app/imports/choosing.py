# SPDX-License-Identifier: Apache-2.0
"""What a person may choose for each column of a file, whether or not it can be read in yet."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from app.core.database import Database
from app.imports.file_kinds import FILE_KINDS
from app.imports.looking import survey_of, vocabulary_of
from app.imports.options import ImportOptions
from app.imports.reading import read_table
from app.imports.source_file import SourceFile

_LONGEST_EXAMPLE = 80


@dataclass(frozen=True, slots=True)
class ColumnChoices:
    """The columns of a file, each with its first value, and what a column may become."""

    columns: list[tuple[str, str]]
    targets: list[str]


async def find_choices(
    database: Database, workspace_id: UUID, what: str, source: SourceFile, options: ImportOptions
) -> ColumnChoices:
    """Return what may be chosen; `what` is a kind of file, or the key or id of a survey."""
    if kind := FILE_KINDS.get(what):
        words = kind.vocabulary(None)
    else:
        words = vocabulary_of((await survey_of(database, workspace_id, what)).definition, None)
    table = await asyncio.to_thread(read_table, source, options.file)
    columns = [
        (name, value[:_LONGEST_EXAMPLE])
        for name, value in zip(table.columns, table.example, strict=True)
    ]
    return ColumnChoices(columns, sorted(set(words.targets.values())))
