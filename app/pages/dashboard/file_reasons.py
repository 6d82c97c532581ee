# SPDX-License-Identifier: Apache-2.0
"""Say what is wrong with a file in the reader's language, and name options as the form does. Pure.

The reader of files says it in English, for the API. Section `file_reasons` of the texts has each of
its sentences as a template; `{0}` stands for a value of the file.
"""

import re
from collections.abc import Iterator
from functools import cache

from app.core.texts import FALLBACK, texts_of
from app.pages.dashboard.texts import DashboardTexts

# The options of an import, and the text of the form's field in which each is given.
_LABELS = {
    "map": "file_map", "value": "file_option.value", "missing": "file_option.missing",
    "na": "file_option.na", "where": "file_option.where", "set": "file_option.set",
    "event_name": "file_option.event_name", "preset": "file_preset", "replace": "file_replace",
    "pivot": "file_pivot", "by": "file_by", "sheet": "file_sheet", "skip_rows": "file_skip_rows",
    "timezone": "zone", "date_format": "date_format", "undated": "undated", "encoding": "encoding",
    "allow_rejects": "allow_rejects", "ignore": "left_out",
}  # fmt: skip
# Sentences of the API that enumerate fields; the form has lists of these, so it says less.
_SHORTER = {
    "no_question_column": "file_choose_question", "no_time_column": "file_choose_time",
}  # fmt: skip
_OPTION = re.compile(f"`({'|'.join(_LABELS)})`")
_VALUE = re.compile(r"\{\d\}")


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return the names of the sentences with their patterns, the longest sentence first."""
    templates = sorted(texts_of("file_reasons", FALLBACK).items(), key=lambda item: -len(item[1]))
    return [(name, re.compile(_pattern_of(template), re.DOTALL)) for name, template in templates]


def _pattern_of(template: str) -> str:
    return "(.*?)".join(re.escape(part) for part in _VALUE.split(template))


def reason_in(texts: DashboardTexts, sentence: str | None) -> str:
    """Return a sentence about a file in the reader's language; an unknown one as it is.

    It may begin with the name of a column and a colon, which stay.
    """
    if not sentence:
        return ""
    for column, reason in _readings(sentence):
        for name, pattern in _patterns():
            if match := pattern.fullmatch(reason):
                values = [reason_in(texts, value) for value in match.groups()]
                if name in _SHORTER:
                    return column + texts[_SHORTER[name]]
                template = texts_of("file_reasons", texts.language)[name]
                return column + _with_labels(texts, template).format(*values)
    return sentence


def _readings(sentence: str) -> Iterator[tuple[str, str]]:
    yield "", sentence
    column, colon, reason = sentence.partition(": ")
    if colon:
        yield column + colon, reason


def _with_labels(texts: DashboardTexts, template: str) -> str:
    """Name each option of the API as its field is labelled."""

    def label(match: re.Match[str]) -> str:
        words = texts[_LABELS[match[1]]]
        return f"“{re.split('[,:]', words)[0]}”"

    return _OPTION.sub(label, template)
