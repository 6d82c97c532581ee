"""A survey as a plain form: what is shown of each question, and what a post says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.invitations.mail import in_language
from app.surveys.scales import EXPECTATIONS, OPTION_TYPES, QuestionType, scale_of
from app.surveys.schemas import Definition, Question

_NA = "na"


@dataclass(frozen=True, slots=True)
class Shown:
    """One question on a page; `kind` is `scale`, `words`, `several` or `text`."""

    key: str
    kind: str
    text: str
    required: bool
    options: Sequence[tuple[str, str]]
    chosen: frozenset[str]
    given: str | None = None


def shown_question(
    question: Question,
    given: Any,
    *,
    locale: str | None,
    default: str,
    words: Mapping[str, str],
) -> Shown:
    """Return a question in the customer's language, with what was answered before."""
    options = _options(question, locale=locale, default=default, words=words)
    if question.allow_na:
        options = [*options, (_NA, words["na"])]
    kind = "words"
    if question.type is QuestionType.TEXT:
        kind = "text"
    elif question.type is QuestionType.CHOICES:
        kind = "several"
    elif options and options[0][0].isdigit():
        kind = "scale"
    return Shown(
        key=question.key,
        kind=kind,
        text=in_language(question.text, locale, default),
        required=question.required,
        options=options,
        chosen=frozenset(_chosen(given)),
        given=given if isinstance(given, str) else None,
    )


def _options(
    question: Question, *, locale: str | None, default: str, words: Mapping[str, str]
) -> list[tuple[str, str]]:
    kind = question.type
    if kind is QuestionType.TEXT:
        return []
    if kind in OPTION_TYPES:
        return [(o.key, in_language(o.text, locale, default)) for o in question.options]
    if kind is QuestionType.YES_NO:
        return [("true", words["yes"]), ("false", words["no"])]
    if kind is QuestionType.EXPECTATION:
        return [(word, words[word]) for word in EXPECTATIONS]
    scale = scale_of(kind, question.points)
    return [(str(score), str(score)) for score in range(scale.low, scale.high + 1)]


def _chosen(given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, bool):
        return ["true" if given else "false"]
    return [str(g) for g in given] if isinstance(given, list) else [str(given)]


def answers_of(definition: Definition, posted: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the answers of a post; what is not a value of its question stays text, and is refused.

    A question that was left empty is skipped.
    """
    answers: dict[str, Any] = {}
    for question in definition.questions:
        values = [v for v in posted.get(question.key, ()) if v.strip()]
        if not values:
            answers[question.key] = None
        elif question.type is QuestionType.CHOICES:
            answers[question.key] = _NA if values == [_NA] and question.allow_na else values
        else:
            answers[question.key] = _value(question, values[-1])
    return answers


def _value(question: Question, text: str) -> Any:
    if question.type is QuestionType.TEXT:
        return text.replace("\r\n", "\n").replace("\x00", "")
    if question.type is QuestionType.YES_NO:
        return {"true": True, "false": False, "1": True, "0": False}.get(text, text)
    return int(text) if text.isdecimal() and len(text) < 4 else text


def score_of_link(question: Question, score: int) -> Any:
    """Return the answer that a link with a score chooses; None where it is none."""
    if question.type is QuestionType.YES_NO:
        return {0: False, 1: True}.get(score)
    if question.type in OPTION_TYPES or question.type is QuestionType.TEXT:
        return None
    if question.type is QuestionType.EXPECTATION:
        return EXPECTATIONS[score] if 0 <= score < len(EXPECTATIONS) else None
    scale = scale_of(question.type, question.points)
    return score if scale.low <= score <= scale.high else None
