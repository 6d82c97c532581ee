# SPDX-License-Identifier: Apache-2.0
"""Decide whether a file of answers is refused because its values do not fit the survey."""

from collections import Counter
from collections.abc import Mapping

from app.imports.report import InspectedFile, refusal_of_replace, too_many_rejects
from app.imports.rows import RowReader
from app.surveys.question_types import traits_of
from app.surveys.scales import scale_of
from app.surveys.schemas import Definition

_MIN_MISFITS = 3
# The share of a column's values beside the main question that may be left out.
_MAX_UNREAD = 0.1
# On a scale of 7 or more points, 10 answers normally include one in the upper half; on any scale,
# 50 answers include the highest score. If not, the scores are probably of a shorter scale.
_LONG_SCALE, _MIN_SCORES, _MANY_SCORES = 7, 10, 50
# By the least length of the question's scale: the highest scores that show a shorter scale.
_OTHER_LENGTHS = {7: (5, 7), 5: (3, 4)}


def refusal_of(
    file: InspectedFile, reader: RowReader, good_rows: int, histograms: Mapping[str, Counter[str]]
) -> str | None:
    """Return why nothing is taken, or None; `histograms` has the answers of each question."""
    with_answers = good_rows + len(file.scan.rejected)
    if not with_answers:
        return "No row holds an answer."
    if refusal := reader.conflicting_words() or refusal_of_replace(file):
        return refusal
    if file.options.allow_rejects:
        return None if good_rows else "No row can be taken."
    return (
        _shorter_scale(histograms, reader.survey.definition)
        or _misread_column(reader, histograms)
        or _misfit_column(reader, with_answers)
        or too_many_rejects(file, good_rows)
    )


def _misfit_column(reader: RowReader, with_answers: int) -> str | None:
    """Return why a question's column is of another scale."""
    for column, count in reader.misfits.items():
        if count >= max(_MIN_MISFITS, 0.01 * with_answers):
            return (
                f"The column `{column}` does not fit its question's scale ({count:,} values); give "
                "the question the file's scale, or set `allow_rejects` to leave these values out."
            )
    return None


def _shorter_scale(histograms: Mapping[str, Counter[str]], definition: Definition) -> str | None:
    """Return why the scores of a long scale are of a shorter one: none is in its upper half."""
    for question in definition.questions:
        control = traits_of(question.type).control
        counts = histograms.get(question.key, Counter())
        scores = {int(text): count for text, count in counts.items() if text.isdecimal()}
        scale = scale_of(question.type, question.points)
        if control != "scale" or scale.high < min(_OTHER_LENGTHS):
            continue
        is_short = max(scores, default=0) <= scale.high / 2 and scale.high >= _LONG_SCALE
        needed = _MIN_SCORES if is_short else _MANY_SCORES
        is_of_a_known_length = min(scores, default=0) >= 1 and max(scores) in next(
            lengths for high, lengths in _OTHER_LENGTHS.items() if scale.high >= high
        )
        if sum(scores.values()) >= needed and max(scores) < scale.high and (
            needed == _MIN_SCORES or is_of_a_known_length
        ):  # fmt: skip
            return (
                f"No answer to `{question.key}` is above {max(scores)} of {scale.high}; if the "
                f"file's scale ends at {max(scores)}, give the question that scale; else set "
                "`allow_rejects`."
            )
    return None


def _misread_column(reader: RowReader, histograms: Mapping[str, Counter[str]]) -> str | None:
    """Return why a question's column is not of its type: too many of its cells say nothing."""
    for (target, column), unread in reader.unread.items():
        answers = histograms.get(target, Counter())
        total = unread + sum(count for text, count in answers.items() if text != "-")
        if unread >= _MIN_SCORES and unread > _MAX_UNREAD * total:
            return (
                f"{unread:,} of {total:,} values of `{column}` cannot be read as `{target}`; say "
                "what they mean with `value`, leave the column out with `ignore`, or set "
                "`allow_rejects`."
            )
    return None
