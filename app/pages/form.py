"""A survey as a plain form: what is shown of each question, and what a post says. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.invitations.mail import in_language
from app.pages.words import Words
from app.surveys.scales import EXPECTATIONS, OPTION_TYPES, QuestionType, scale_of
from app.surveys.schemas import Definition, Question
from app.surveys.show_if import is_shown

_NA = "na"
_WITH_ENDS = {QuestionType.NPS, QuestionType.CSAT, QuestionType.CES}


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to choose; `word` names it among the service's own words."""

    value: str
    label: str
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One question on a page; `kind` is `scale`, `words`, `several` or `text`.

    `ends` are what the lowest and the highest score mean.
    """

    key: str
    kind: str
    text: str
    required: bool
    choices: Sequence[Choice]
    chosen: frozenset[str]
    given: str | None = None
    ends: tuple[str, str] | None = None
    wrong: bool = False

    @property
    def high(self) -> str:
        """The highest score of a scale, as it is shown."""
        return [c.label for c in self.choices if c.word is None][-1]


@dataclass(frozen=True, slots=True)
class Wording:
    """How the texts of one survey are said to one customer."""

    locale: str
    default: str
    words: Words
    fill: Callable[[str], str]

    def say(self, texts: Mapping[str, str]) -> str:
        """Return a text in the customer's language, with names filled in."""
        return self.fill(in_language(texts, self.locale, self.default))


def shown_question(
    question: Question, given: Any, wording: Wording, *, wrong: bool = False
) -> Shown:
    """Return a question in the customer's language, with what was answered before."""
    choices = choices_of(question, wording)
    if question.allow_na:
        choices = [*choices, Choice(_NA, wording.words["na"], "na")]
    return Shown(
        key=question.key,
        kind=kind_of(question),
        text=wording.say(question.text),
        required=question.required,
        choices=choices,
        chosen=frozenset(_chosen(given)),
        given=given if isinstance(given, str) else None,
        ends=ends_of(question),
        wrong=wrong,
    )


def kind_of(question: Question) -> str:
    """Return how a question is answered: `scale`, `words`, `several` or `text`."""
    if question.type is QuestionType.TEXT:
        return "text"
    if question.type is QuestionType.CHOICES:
        return "several"
    has_words = question.type in OPTION_TYPES | {QuestionType.YES_NO, QuestionType.EXPECTATION}
    return "words" if has_words else "scale"


def ends_of(question: Question) -> tuple[str, str] | None:
    """Return the names of the words for the lowest and the highest score of a scale."""
    if question.type not in _WITH_ENDS:
        return None
    return f"low_{question.type}", f"high_{question.type}"


def choices_of(question: Question, wording: Wording) -> list[Choice]:
    """Return the answers that can be chosen, as forms write them."""
    kind, words = question.type, wording.words
    if kind is QuestionType.TEXT:
        return []
    if kind in OPTION_TYPES:
        return [Choice(o.key, wording.say(o.text)) for o in question.options]
    if kind is QuestionType.YES_NO:
        return [Choice("true", words["yes"], "yes"), Choice("false", words["no"], "no")]
    if kind is QuestionType.EXPECTATION:
        return [Choice(word, words[word], word) for word in EXPECTATIONS]
    scale = scale_of(kind, question.points)
    return [Choice(str(score), str(score)) for score in range(scale.low, scale.high + 1)]


def _chosen(given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, bool):
        return ["true" if given else "false"]
    return [str(g) for g in given] if isinstance(given, list) else [str(given)]


def label_of(question: Question, given: Any, wording: Wording) -> str:
    """Return an answer in words."""
    if given == _NA:
        return wording.words["na"]
    labels = {c.value: c.label for c in choices_of(question, wording)}
    return ", ".join(labels.get(value, value) for value in _chosen(given))


def not_asked(definition: Definition, answers: Mapping[str, Any]) -> list[Question]:
    """Return the questions that these answers show and that nobody was asked yet."""
    return [q for q in shown_questions(definition, answers) if q.key not in answers]


def shown_questions(definition: Definition, answers: Mapping[str, Any]) -> list[Question]:
    """Return the questions that these answers show, each by what stands before it."""
    kept: dict[str, Any] = {}
    found = []
    for question in definition.questions:
        condition = question.show_if.model_dump() if question.show_if else None
        if is_shown(condition, kept):
            found.append(question)
            kept[question.key] = answers.get(question.key)
    return found


def answers_of(
    definition: Definition, posted: Mapping[str, Sequence[str]], asked: Sequence[str]
) -> dict[str, Any]:
    """Return the answers of a post to the questions that were asked; what was left empty is None.

    What is not a value of its question stays text, and is refused later.
    """
    answers: dict[str, Any] = {}
    for question in definition.questions:
        if question.key not in asked:
            continue
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


def prefilled(definition: Definition, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the answers that a link's `a.KEY=value` chooses; one that does not fit is left out."""
    chosen = {}
    for question in definition.questions:
        text = query.get(f"a.{question.key}", "").strip()[:4000]
        if not text:
            continue
        value = _value(question, text)
        fits = _values_of(question)
        if question.type is QuestionType.TEXT or value in fits:
            chosen[question.key] = [value] if question.type is QuestionType.CHOICES else value
    return chosen


def _values_of(question: Question) -> list[Any]:
    if question.type in OPTION_TYPES:
        return [o.key for o in question.options]
    if question.type is QuestionType.YES_NO:
        return [True, False]
    if question.type is QuestionType.EXPECTATION:
        return list(EXPECTATIONS)
    if question.type is QuestionType.TEXT:
        return []
    scale = scale_of(question.type, question.points)
    return list(range(scale.low, scale.high + 1))
