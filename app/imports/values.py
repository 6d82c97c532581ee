"""What a cell says: a score, a word of the scale, an option. Nothing is guessed beyond that."""

import json
import re
from collections.abc import Callable, Mapping
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

_WHOLE = re.compile(r"^(\d{1,2})(?:[.,]0+)?$")
_OF = re.compile(
    r"^(\d{1,2})(?:[.,]0+)? */ *(\d{1,2})$|^(\d{1,2}) (?:of|out of|z|din|von|sur|de) (\d{1,2})$"
)
_LABELLED = re.compile(r"^(\d{1,2}) *[-–—:.)=] *\D.*$|^\D+\((\d{1,2})\)$")
_STARS = re.compile(r"^([★⭐]+)([☆✩]*)$")

# What is said of a value that another scale has.
OUT_OF_SCALE = re.compile(r"` is not from | is of \d+ points,| stars, and the question ")

# Reads one cell that is not empty; raises ValueError with what would be understood.
ReadCell = Callable[[str], Any]


@cache
def words() -> Any:
    """Return the words that are understood: of scales, of yes and no, of months."""
    return json.loads(files("app.imports").joinpath("words.json").read_text())


def yes_or_no(text: str) -> bool | None:
    """Return what a word of yes or no says in any language that is known; None for another."""
    folded = fold(text)
    return True if folded in words()["yes"] else False if folded in words()["no"] else None


def fold(text: str) -> str:
    """Return a text as words are compared: without case, outer blanks and doubled blanks."""
    return " ".join(text.casefold().replace("’", "'").split()).rstrip(".!")


def reader_of(question: Question, said: Mapping[str, str]) -> ReadCell:
    """Return what reads the cells of a question; `said` are values that the caller explains."""
    known = {fold(text): value for text, value in said.items()}
    read = _reader(question)
    not_applicable = set(map(fold, words()["na"])) if question.allow_na else set()

    def cell(text: str) -> Any:
        folded = fold(text)
        if folded in known:
            meant = known[folded]
            return NA if meant == NA else read(meant)
        if folded in not_applicable:
            return NA
        return read(text)

    return cell


def _reader(question: Question) -> ReadCell:
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
    if found := _WHOLE.match(text):
        score = int(found[1])
    elif found := _OF.match(text):
        score, of = int(found[1] or found[3]), int(found[2] or found[4])
        if of != high:
            msg = f"`{text[:40]}` is of {of} points, and the question has {high}"
            raise ValueError(msg)
    elif found := _STARS.match(text):
        score = len(found[1])
        if found[2] and score + len(found[2]) != high:
            msg = f"`{text[:40]}` has {score + len(found[2])} stars, and the question has {high}"
            raise ValueError(msg)
    elif found := _LABELLED.match(text):
        score = int(found[1] or found[2])
    else:
        return _named_score(text, high)
    if not low <= score <= high:
        msg = f"`{text[:40]}` is not from {low} to {high}"
        raise ValueError(msg)
    return score


def _named_score(text: str, high: int) -> int:
    folded = fold(text)
    for score, names in enumerate(words()["scales"].get(str(high), ()), start=1):
        if folded in names:
            return score
    msg = f"`{text[:40]}` is no score; a number, 9/10, `10 - label` or ★ is, or say it by `value`"
    raise ValueError(msg)


def _word(text: str, answers: WordAnswers) -> Any:
    folded = fold(text)
    for answer in answers.answers:
        if folded == answer.word or folded in words().get(answer.word, ()):
            return answer.value
    known = ", ".join(answer.word for answer in answers.answers)
    msg = f"`{text[:40]}` is none of {known}; say what it means by `value`"
    raise ValueError(msg)


def _options(text: str, keys: Mapping[str, str], *, several: bool) -> Any:
    if not several:
        return _option(text, keys)
    if fold(text) in keys:
        return [keys[fold(text)]]
    parts = [part.strip() for part in re.split(r"[;|]|, (?=\S)", text) if part.strip()]
    return list(dict.fromkeys(_option(part, keys) for part in parts))


def _option(text: str, keys: Mapping[str, str]) -> str:
    found = keys.get(fold(text))
    if found is None:
        msg = (
            f"`{text[:40]}` is no option; {', '.join(list(dict.fromkeys(keys.values()))[:10])} are"
        )
        raise ValueError(msg)
    return found


def _text(text: str, longest: int) -> str:
    if len(text) > longest:
        msg = f"has {len(text):,} characters; {longest:,} are the most"
        raise ValueError(msg)
    return text.replace("\x00", "")
