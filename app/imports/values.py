# SPDX-License-Identifier: Apache-2.0
"""Read a cell: a score, a word of the scale or an option. Nothing else is guessed."""

import contextlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, assert_never

from app.surveys.question_types import (
    NA,
    OptionAnswers,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
)
from app.surveys.scales import scale_of
from app.surveys.schemas import Question

_WHOLE_NUMBER = re.compile(r"^(\d{1,2})(?:[.,]0+)?$")
_OF = re.compile(
    r"^(\d{1,2})(?:[.,]0+)? */ *(\d{1,2})$|^(\d{1,2}) (?:of|out of|z|din|von|sur|de) (\d{1,2})$"
)
# A number with a label before it, behind it, or with one of them in brackets. The label must not
# have a digit next to the score, because then two numbers could be the score.
_LABELLED = (
    re.compile(r"^(?P<score>\d{1,2}) *[-–—:.)=] *(?P<label>[^\d\s].*)$"),
    re.compile(r"^(?P<score>\d{1,2}) *\((?P<label>[^\d\s].*)\)$"),
    re.compile(r"^(?P<label>\D+?) *\((?P<score>\d{1,2})\)$"),
    re.compile(r"^(?P<label>[^\W\d_]\D*?) *[-–—:=] *(?P<score>\d{1,2})$"),
)
# A question's code or number, before its text.
_CODE = re.compile(r"[^\s.]+\. +|[a-z]{0,3}\d+[:)] +")
# A month, with or without a year after it.
_MONTH = re.compile(r"^\W*([^\W\d_]+)\.?(?:[\W_]+\d{2,4})?\W*$")
# Romanian once wrote a cedilla for a comma; an emoji may bear a mark of its variant.
_SAME_LETTERS = str.maketrans({"ţ": "ț", "ş": "ș", "’": "'", "\ufe0f": None})
_STARS = re.compile(r"^([★⭐]+)([☆✩]*)$")
_USUAL_STARS = 5
# The other gender's ending, behind a word: satisfait(e), zadowolony/a.
_OTHER_ENDING = re.compile(r"(?:\((?:e|a|ă|y)\)|[/·]-?(?:e|a|ă|na|ta))$")


class OtherScaleError(ValueError):
    """The value is a score of another scale than the question's."""


# Reads one cell that is not empty; raises ValueError that names what can be read.
CellReader = Callable[[str], Any]


@cache
def words() -> Any:
    """Return the words that are understood: of scales, of yes and no, of months."""
    return json.loads(files("app.imports").joinpath("words.json").read_text())


@cache
def month_numbers() -> dict[str, int]:
    """Return the numbers of the months by their names and short names, in lower case."""
    months = words()["months"]
    return {name: number for number, names in enumerate(months, start=1) for name in names}


# On scales of so few points one score has several words, which is no conflict.
_FEW_POINTS = 2
# English words that occur together only on scales whose steps we do not know.
_ODD_STEPS = ("fair", "very good")


def find_conflicting_words(texts: Iterable[str], points: int) -> tuple[str, str] | None:
    """Return two of the texts that are different steps of a scale, but would give the same score.

    Both are words of one language; the same word in masculine and feminine form does not count.
    """
    by_folded_text = {fold(text): text for text in texts}
    if all(word in by_folded_text for word in _ODD_STEPS):
        return by_folded_text[_ODD_STEPS[0]], by_folded_text[_ODD_STEPS[1]]
    if points <= _FEW_POINTS:
        return None
    for steps in words()["scales"].get(str(points), {}).values():
        for names in steps:
            by_stem = {_stem_of(name): by_folded_text[name] for name in names
                       if name in by_folded_text}  # fmt: skip
            if len(by_stem) > 1:
                first, second, *_ = by_stem.values()
                return first, second
    return None


def _stem_of(text: str) -> str:
    """Return words without the vowels that they end with, which differ by gender."""
    return " ".join(word.rstrip("aeioyăâ,") for word in text.split())


def yes_or_no(text: str) -> bool | None:
    """Return the meaning of a yes or no word in any known language; None for other words."""
    folded = fold(text)
    return True if folded in words()["yes"] else False if folded in words()["no"] else None


def fold(text: str) -> str:
    """Return a text as words are compared: without case, outer blanks and doubled blanks."""
    plain = unicodedata.normalize("NFC", text).casefold().translate(_SAME_LETTERS)
    return " ".join(plain.split()).rstrip(".!")


def plain_header(column: str) -> str:
    """Return a header as presets write it: without the code before it and the asterisk behind.

    A code is LimeSurvey's `G01Q01. `, or `Q1: ` and `1. `; the asterisk marks required questions.
    """
    folded = fold(column).rstrip(" *")
    match = _CODE.match(folded)
    return folded[match.end() :] if match else folded


def reader_of(question: Question, meanings: Mapping[str, str]) -> CellReader:
    """Return the reader of a question's cells; `meanings` are values that the caller explains."""
    by_folded_text = {fold(text): value for text, value in meanings.items()}
    read = _reader(question)
    not_applicable = set(map(fold, words()["na"])) if question.allow_na else set()

    def cell(text: str) -> Any:
        folded = fold(text)
        if folded in by_folded_text:
            meaning = by_folded_text[folded]
            return NA if meaning == NA else read(meaning)
        if folded in not_applicable:
            return NA
        return read(text)

    return cell


def _reader(question: Question) -> CellReader:
    answers = spec_of(question.type).answers
    match answers:
        case ScoreAnswers():
            scale = scale_of(question.type, question.points)
            return lambda text: _score(text, scale.low, scale.high)
        case WordAnswers():
            return lambda text: _word(text, answers)
        case OptionAnswers(several=several):
            keys = {fold(option.key): option.key for option in question.options}
            for option in question.options:
                keys |= {fold(text): option.key for text in option.text.values()}
            return lambda text: _options(text, keys, several=several)
        case TextAnswers(longest=longest):
            return lambda text: _text(text, longest)
        case _:
            assert_never(answers)


def _score(text: str, low: int, high: int) -> int:
    if match := _WHOLE_NUMBER.match(text):
        score = int(match[1])
    elif match := _OF.match(text):
        score, of = int(match[1] or match[3]), int(match[2] or match[4])
        if of != high:
            msg = f"`{text[:40]}` is of {of} points, and the question has {high}"
            raise OtherScaleError(msg)
    elif match := _STARS.match(text.replace("\ufe0f", "")):
        score = _stars(text, match, high)
    elif match := next(filter(None, (form.match(text) for form in _LABELLED)), None):
        score = _labelled_score(text, match, low, high)
    else:
        return _named_score(text, high)
    if not low <= score <= high:
        msg = f"`{text[:40]}` is not from {low} to {high}"
        raise OtherScaleError(msg)
    return score


def _stars(text: str, match: re.Match[str], high: int) -> int:
    """Return the number of full stars. Without empty stars, the scale is taken to have five."""
    score, empty = len(match[1]), len(match[2])
    of = score + empty if empty else max(score, _USUAL_STARS)
    if of < high or score + empty > high:
        msg = f"`{text[:40]}` is of {of} stars, and the question has {high}"
        raise OtherScaleError(msg)
    return score


def _labelled_score(text: str, match: re.Match[str], low: int, high: int) -> int:
    """Return the number of a labelled score; a word that says the contrary is refused."""
    score, label = int(match["score"]), match["label"]
    month = _MONTH.match(label)
    if month and fold(month[1]) in month_numbers():
        msg = f"`{text[:40]}` is a date, perhaps made by a spreadsheet of {score}/…"
        raise ValueError(msg)
    if _polarity_of(label) * (score - (low + high) / 2) < 0:
        msg = (
            f"`{text[:40]}` contradicts itself: its number means {score} of {high}, its word the "
            "opposite; say with `value` what it means"
        )
        raise ValueError(msg)
    return score


def _polarity_of(label: str) -> int:
    """Return 1 for a word of praise, -1 for one of blame, 0 for others and unknown ones.

    The word may be of any known scale; a word that is good on one and bad on another gives 0.
    """
    folded = fold(label)
    signs = {sign for name, sign in (("likely", 1), ("unlikely", -1)) if folded in words()[name]}
    for languages in words()["scales"].values():
        for steps in languages.values():
            for position, names in enumerate(steps):
                if folded in names:
                    side = 2 * position - (len(steps) - 1)
                    signs.add((side > 0) - (side < 0))
    return signs.pop() if len(signs) == 1 else 0


def _score_of_word(text: str, high: int) -> int | None:
    folded = fold(text)
    forms = {folded, _OTHER_ENDING.sub("", folded)}
    for steps in words()["scales"].get(str(high), {}).values():
        for score, names in enumerate(steps, start=1):
            if not forms.isdisjoint(names):
                return score
    return None


def _named_score(text: str, high: int) -> int:
    if (score := _score_of_word(text, high)) is not None:
        return score
    msg = (
        f"`{text[:40]}` is not a score; use a number, 9/10, `10 - label` or ★, or say it with "
        "`value`; `missing` names what stands for no answer"
    )
    raise ValueError(msg)


def _word(text: str, answers: WordAnswers) -> Any:
    folded = fold(text)
    for answer in answers.answers:
        own = {answer.word, fold(str(answer.value))}
        if folded in own or folded in words().get(answer.word, ()):
            return answer.value
    known = ", ".join(answer.word for answer in answers.answers)
    msg = f"`{text[:40]}` is none of {known}; say what it means with `value`"
    raise ValueError(msg)


def _options(text: str, keys: Mapping[str, str], *, several: bool) -> Any:
    if not several:
        return _option(text, keys)
    if fold(text) in keys:
        return [keys[fold(text)]]
    if text.startswith("["):
        with contextlib.suppress(ValueError):
            return list(dict.fromkeys(_option(str(part), keys) for part in json.loads(text)))
    parts = _parts_of(text, keys)
    return list(dict.fromkeys(_option(part, keys) for part in parts))


def _parts_of(text: str, keys: Mapping[str, str]) -> list[str]:
    """Return the options of a cell; the text of an option may itself hold a comma."""
    parts: list[str] = []
    for part in filter(None, map(str.strip, re.split(r"[;|]|, ?", text))):
        # The longest text that ends with this part and is an option.
        for start in range(len(parts)):
            joined = ", ".join([*parts[start:], part])
            if fold(joined) in keys:
                parts[start:] = [joined]
                break
        else:
            parts.append(part)
    return parts


def _option(text: str, keys: Mapping[str, str]) -> str:
    key = keys.get(fold(text))
    if key is None:
        options = ", ".join(list(dict.fromkeys(keys.values()))[:10])
        msg = f"`{text[:40]}` is not an option; use {options}"
        raise ValueError(msg)
    return key


def _text(text: str, longest: int) -> str:
    if len(text) > longest:
        msg = f"has {len(text):,} characters; {longest:,} are the most"
        raise ValueError(msg)
    return text.replace("\x00", "")
