# SPDX-License-Identifier: Apache-2.0
"""A live survey as ingest needs it: checks answers and turns them into scores. Pure."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, assert_never
from uuid import UUID

from app.core.errors import FieldError, InvalidInput
from app.core.text_types import did_you_mean
from app.surveys.bands import Band
from app.surveys.question_types import (
    CHOSEN,
    MISSING,
    NOT_APPLICABLE,
    OptionAnswers,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
    traits_of,
)
from app.surveys.scales import LOW_BANDS, Scale, band_of, scale_of
from app.surveys.schemas import Definition, Question, SurveyMetric, SurveyStatus
from app.surveys.show_if import is_shown

_MAX_ERRORS = 20

# The scores of one value; a check returns them, or a text that says what is wrong.
Scores = dict[str, int]
Check = Callable[[Any], Scores | str]


@dataclass(slots=True)
class CheckedAnswers:
    """Valid answers with their scores: what was shown and skipped is -1, `na` is -2.

    An option counts as a question of its own, named `question=option`, beside its question.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    scores: Scores = field(default_factory=dict)
    score: int | None = None
    band: Band | None = None
    comment: str | None = None
    low: bool = False


@dataclass(frozen=True, slots=True)
class _CompiledQuestion:
    key: str
    scored: bool
    check: Check
    show_if: dict[str, Any] | None


def _score_check(key: str, scale: Scale) -> Check:
    def check(value: Any) -> Scores | str:
        is_whole = type(value) is int or (type(value) is float and value.is_integer())
        if not is_whole or not scale.low <= value <= scale.high:
            return f"must be a whole number from {scale.low} to {scale.high}, `na` or null"
        return {key: int(value)}

    return check


def _word_check(key: str, answers: WordAnswers) -> Check:
    scores = {answer.value: answer.score for answer in answers.answers}
    names = [_as_json(answer.value) for answer in answers.answers]
    alternatives = f"{', '.join(names[:-1])} or {names[-1]}"

    def check(value: Any) -> Scores | str:
        fits = isinstance(value, bool | str) and value in scores
        return {key: scores[value]} if fits else f"must be {alternatives}, `na` or null"

    return check


def _as_json(value: bool | str) -> str:
    return f"`{value}`" if isinstance(value, str) else str(value).lower()


def _options_check(key: str, options: list[str], *, several: bool) -> Check:
    def check(value: Any) -> Scores | str:
        chosen = value if several else [value]
        if not isinstance(chosen, list) or not all(isinstance(option, str) for option in chosen):
            return "must be a list of option keys" if several else "must be an option's key"
        if not chosen:
            return {key: MISSING}
        if len(set(chosen)) < len(chosen):
            return "names an option twice"
        if unknown := [option for option in chosen if option not in options]:
            return f"`{unknown[0][:64]}` is not an option{did_you_mean(unknown[0][:64], options)}"
        return {key: CHOSEN} | {f"{key}={option}": CHOSEN for option in chosen}

    return check


def _text_check(longest: int) -> Check:
    def check(value: Any) -> Scores | str:
        if not isinstance(value, str) or len(value) > longest:
            return f"must be a text of at most {longest:,} characters"
        return {}

    return check


def _check_for(question: Question) -> Check:
    answers = spec_of(question.type).answers
    match answers:
        case ScoreAnswers():
            return _score_check(question.key, scale_of(question.type, question.points))
        case WordAnswers():
            return _word_check(question.key, answers)
        case OptionAnswers(several=several):
            keys = [option.key for option in question.options]
            return _options_check(question.key, keys, several=several)
        case TextAnswers(longest=longest):
            return _text_check(longest)
        case _:
            assert_never(answers)


@dataclass(frozen=True, slots=True)
class IdDerivation:
    """How ids of responses are derived: with `key`, which is never changed.

    Ids made before `since` were derived without the key and could be guessed; None if there are
    none.
    """

    key: bytes
    since: dt.datetime | None


class CompiledSurvey:
    """The published version of one survey, ready to check answers against."""

    def __init__(  # noqa: PLR0913 - what names a survey
        self,
        *,
        workspace_id: UUID,
        survey_id: UUID,
        key: str,
        public_id: str,
        status: SurveyStatus,
        version: int,
        definition: Definition,
        derivation: IdDerivation,
    ) -> None:
        """Prepare a check for each question."""
        self.workspace_id = workspace_id
        self.id = survey_id
        self.derivation = derivation
        self.key = key
        self.public_id = public_id
        self.live = status is SurveyStatus.LIVE
        self.version = version
        self.definition = definition
        self.metric = definition.metric
        self.name = definition.name
        self.touchpoint = definition.touchpoint or ""
        self.locale = definition.default_locale
        self.locales = frozenset(
            lang for question in definition.questions for lang in question.text
        )
        self.one_answer_per = definition.one_answer_per
        self._questions = [
            _CompiledQuestion(
                key=question.key,
                scored=traits_of(question.type).is_scored,
                check=_check_for(question),
                show_if=question.show_if.model_dump() if question.show_if else None,
            )
            for question in definition.questions
        ]
        self._keys = {question.key for question in definition.questions}
        self._conditional = any(question.show_if for question in self._questions)
        main = definition.main_question
        self._main = main.key if main else None
        self.main_scale = scale_of(main.type, main.points) if main else None
        self._bands = _bands_of(self.main_scale, definition.metric)
        self._follow_up_below = definition.follow_up_below

    def check(self, answers: Any, *, complete: bool) -> CheckedAnswers:
        """Check the whole answer so far, or raise InvalidInput naming each wrong field.

        Answers to questions that were not shown are dropped. In a complete response a shown
        question without an answer counts as missing.
        """
        if not isinstance(answers, dict):
            raise InvalidInput.at("body", "answers", msg="must be an object of question: answer")
        unknown = [key for key in answers if key not in self._keys][:_MAX_ERRORS]
        errors: list[FieldError] = [
            _error_at(key, "is not a question of this survey" + did_you_mean(key[:64], self._keys))
            for key in unknown
        ]
        checked = CheckedAnswers()
        for question in self._questions:
            if self._conditional and not is_shown(question.show_if, checked.answers):
                continue
            self._take(question, answers, checked, errors, complete=complete)
        if errors:
            raise InvalidInput("Some answers do not fit the survey.", errors=errors)
        self._add_main_score(checked)
        return checked

    def _take(
        self,
        question: _CompiledQuestion,
        answers: dict[str, Any],
        checked: CheckedAnswers,
        errors: list[FieldError],
        *,
        complete: bool,
    ) -> None:
        key = question.key
        value = answers.get(key)
        if value is None:
            if key in answers:
                checked.answers[key] = None
            if question.scored and (complete or key in answers):
                checked.scores[key] = MISSING
        elif value == "na" and question.scored:
            checked.answers[key] = value
            checked.scores[key] = NOT_APPLICABLE
        else:
            result = question.check(value)
            if isinstance(result, str):
                errors.append(_error_at(key, result))
                return
            checked.answers[key] = value
            checked.scores |= result
            if not question.scored and value.strip():
                checked.comment = f"{checked.comment}\n{value}" if checked.comment else value

    def _add_main_score(self, checked: CheckedAnswers) -> None:
        """Add the main score, its band, and whether it is low enough for a follow-up."""
        if self._main is None or self.main_scale is None:
            return
        score = checked.scores.get(self._main, MISSING)
        if score < 0:
            return
        checked.score = score
        checked.band = self._bands.get(score)
        checked.low = (
            checked.band in LOW_BANDS
            if self._follow_up_below is None
            else score < self._follow_up_below
        )


def _bands_of(scale: Scale | None, metric: SurveyMetric) -> dict[int, Band | None]:
    """Return the band of each main score; a survey of a custom metric has none."""
    if scale is None or metric is SurveyMetric.CUSTOM:
        return {}
    return {score: band_of(scale, score) for score in range(scale.low, scale.high + 1)}


def _error_at(key: str, msg: str) -> FieldError:
    return {"loc": ("body", "answers", key[:64]), "msg": msg}
