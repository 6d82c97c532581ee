# SPDX-License-Identifier: Apache-2.0
"""What a person may choose for each column of a file, whether or not it can be read in yet."""

import asyncio
from dataclasses import dataclass, replace
from uuid import UUID

from app.core.database import Database
from app.imports.answer_inspection import survey_of, vocabulary_of
from app.imports.columns import preset_of, uses_of
from app.imports.file_kinds import FILE_KINDS
from app.imports.options import ImportOptions, ImportTarget
from app.imports.preset_rules import apply_rules
from app.imports.presets import presets
from app.imports.source_file import SourceFile
from app.imports.table_reader import read_table

_MAX_EXAMPLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class ColumnChoices:
    """The choices for a file: each column with an example and its default, and all targets.

    The default is what the column becomes if nobody chooses; "" if it is left out.
    """

    columns: list[tuple[str, str, str]]
    targets: list[str]


async def find_choices(
    database: Database,
    workspace_id: UUID,
    target: ImportTarget,
    source: SourceFile,
    options: ImportOptions,
) -> ColumnChoices:
    """Return what the columns of a file may become."""
    table = await asyncio.to_thread(read_table, source, options.file)
    if target.survey is None:
        kind = FILE_KINDS[target.kind]
        words = kind.vocabulary(preset_of(table.columns, options.preset, kind.name))
    else:
        survey = await survey_of(database, workspace_id, target.survey)
        preset = preset_of(table.columns, options.preset)
        rules = presets().get(preset or "", {})
        table, _ = await asyncio.to_thread(apply_rules, table, rules, options, None)
        words = vocabulary_of(survey.definition, preset)
    unchosen = replace(options, maps={}, ignored=frozenset())
    # A column may have two uses; the first one is shown.
    defaults = {use.position: use.target for use in reversed(uses_of(table, unchosen, words))}
    columns = [
        (name, value[:_MAX_EXAMPLE_CHARACTERS], defaults.get(position, ""))
        for position, (name, value) in enumerate(zip(table.columns, table.example, strict=True))
    ]
    return ColumnChoices(columns, sorted(set(words.targets.values())))
