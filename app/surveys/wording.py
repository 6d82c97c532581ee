"""How a survey is said to one customer: texts with names filled in, and answers in words. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.surveys.scales import EXPECTATIONS, OPTION_TYPES, QuestionType, scale_of
from app.surveys.schemas import Question
from app.surveys.words import Words

_NA = "na"
_WITH_ENDS = {QuestionType.NPS, QuestionType.CSAT, QuestionType.CES}
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}")


def in_language(texts: Mapping[str, str], locale: str | None, default: str) -> str:
    """Return the text in the locale, else its language, else the default, else any."""
    for wanted in (locale or "", (locale or "").partition("-")[0], default):
        if wanted in texts:
            return texts[wanted]
    return next(iter(texts.values()), "")


def values_of(
    *, name: str | None, order: str | None, ticket: str | None, properties: Mapping[str, Any]
) -> dict[str, object]:
    """Return what a survey's texts may name: the customer, the case, the properties."""
    return {
        **{k: v for k, v in properties.items() if isinstance(v, str | int | float)},
        "customer.name": name or "",
        "customer.first_name": first_name(name),
        "order": order or "",
        "ticket": ticket or "",
    }


def fill(text: str, values: Mapping[str, object]) -> str:
    """Replace `{{customer.first_name}}`, `{{order}}`, `{{agent}}`; what is not known is empty."""
    return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], "")), text)


def first_name(name: str | None) -> str:
    """Return the first word of a name."""
    return (name or "").split(" ")[0]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to choose; `word` names it among the service's own words."""

    value: str
    label: str
    word: str | None = None


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


def chosen_values(given: Any) -> list[str]:
    """Return an answer as the values of the choices that it names."""
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
    return ", ".join(labels.get(value, value) for value in chosen_values(given))
