# SPDX-License-Identifier: Apache-2.0
"""Bodies of surveys: the definition is validated here, once, when it is saved."""

import unicodedata
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from app.core.text_types import Line, Slug
from app.surveys.emotions import SHIPPED_EMOTIONS
from app.surveys.question_types import (
    HEARD_DRIVER_TYPES,
    NA,
    SHIPPED_WORDS,
    TOLD_DRIVER_TYPES,
    Display,
    QuestionType,
    display_fits,
    traits_of,
)
from app.surveys.show_if import NUMERIC, Operator
from app.workspaces.schemas import Body, Locale

QuestionKey = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", min_length=1, max_length=64)
]


def _no_controls(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character != "\n" for character in value):
        msg = "must not hold control characters"
        raise ValueError(msg)
    return value


Wording = Annotated[
    str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_no_controls)
]
LineTexts = Annotated[dict[Locale, Line], Field(min_length=1, max_length=60)]
Texts = Annotated[dict[Locale, Wording], Field(min_length=1, max_length=60)]
Scalar = bool | int | float | str


class SurveyMetric(StrEnum):
    """What a survey's main question measures."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"
    CUSTOM = "custom"


class SurveyStatus(StrEnum):
    """A draft has never been published; a closed survey takes no new responses."""

    DRAFT = "draft"
    LIVE = "live"
    CLOSED = "closed"


class Pillar(StrEnum):
    """The six pillars."""

    INTEGRITY = "integrity"
    RESOLUTION = "resolution"
    EXPECTATIONS = "expectations"
    TIME_AND_EFFORT = "time_and_effort"
    PERSONALISATION = "personalisation"
    EMPATHY = "empathy"


class Module(StrEnum):
    """The five experience modules."""

    SENSORY = "sensory"
    EMOTIONAL = "emotional"
    INTELLECTUAL = "intellectual"
    BEHAVIOURAL = "behavioural"
    RELATIONAL = "relational"


class Option(Body):
    """One answer to choose; an emotion's valence is 1, 0 or -1."""

    key: QuestionKey
    text: Texts
    valence: Literal[-1, 0, 1] | None = None


class ShowIf(Body):
    """Show the question only if an earlier answer meets this."""

    question: QuestionKey
    op: Operator
    value: Scalar | list[Scalar] = Field(description="A list for `in` and `not_in`.")

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.op in {"in", "not_in"}) != isinstance(self.value, list):
            msg = "value must be a list with `in` and `not_in`, and only with them"
            raise ValueError(msg)
        if self.op in NUMERIC and (
            isinstance(self.value, bool) or not isinstance(self.value, int | float)
        ):
            msg = f"value must be a number with `{self.op}`"
            raise ValueError(msg)
        return self


class Question(Body):
    """One question with its scale, tags and condition."""

    key: QuestionKey
    type: QuestionType
    text: Texts
    points: int | None = Field(default=None, description="Length of a csat, ces or rating scale.")
    required: bool = Field(
        default=False, description="Pages and the widget require an answer; the API does not."
    )
    allow_na: bool = Field(default=False, description="Offer `not applicable`.")
    show_if: ShowIf | None = None
    options: list[Option] = Field(default=[], max_length=50)
    driver: Slug | None = None
    pillar: Pillar | None = None
    module: Module | None = None
    touchpoint: Slug | None = Field(
        default=None, description="Where its answers count, instead of the survey's touchpoint."
    )
    reverse: bool = Field(default=False, description="A high score is bad.")
    display: Display | None = Field(
        default=None, description="How a scale is shown; the values stay the same."
    )

    @model_validator(mode="after")
    def _scale_fits(self) -> Self:
        traits = traits_of(self.type)
        allowed = traits.choosable_points
        if not allowed:
            if self.points is not None:
                msg = f"points: a {self.type} question has no choice of points; leave it out"
                raise ValueError(msg)
            return self
        if self.points is None:
            self.points = traits.default_points
        if self.points not in allowed:
            numbers = ", ".join(map(str, allowed))
            msg = f"points: a {self.type} scale has {numbers} points, not {self.points}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _driver_fits(self) -> Self:
        types = {"told": TOLD_DRIVER_TYPES, "heard": HEARD_DRIVER_TYPES}.get(
            self.driver or "", {self.type}
        )
        if self.type not in types:
            msg = f"driver: `{self.driver}` is asked by a question of {', '.join(sorted(types))}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _display_fits(self) -> Self:
        if self.display is not None and not display_fits(self.type, self.display, self.points):
            known = ", ".join(traits_of(self.type).displays) or "none"
            msg = (
                f"display: `{self.display}` does not suit this question; a {self.type} scale has "
                f"{known} (smileys with 3 or 5 points, thumbs with 2)"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        traits = traits_of(self.type)
        if traits.has_valences and not self.options:
            self.options = [Option.model_validate(emotion) for emotion in SHIPPED_EMOTIONS]
        if traits.has_options != bool(self.options):
            verb = "needs" if traits.has_options else "takes no"
            msg = f"options: a {self.type} question {verb} options"
            raise ValueError(msg)
        keys = [option.key for option in self.options]
        if len(set(keys)) < len(keys) or NA in keys:
            msg = "options: keys must differ, and `na` is kept for `not applicable`"
            raise ValueError(msg)
        if traits.has_valences and any(option.valence is None for option in self.options):
            msg = "options: each emotion needs a valence of 1, 0 or -1"
            raise ValueError(msg)
        return self


class ThankYou(Body):
    """What is said after the answer, with a link if wanted."""

    text: Texts
    link_url: Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://")] | None = None
    link_text: Texts | None = None


BandName = Literal[
    "promoter", "passive", "detractor", "satisfied", "neutral", "dissatisfied", "easy", "hard",
    "default",
]  # fmt: skip


# The product's words on pages, in mails and in the widget; a survey may translate them.
WORD_NAMES = (
    *("send", "next", "na", "optional", "required", "thanks_title", "thanks", "change", "close"),
    "later", *SHIPPED_WORDS,
)  # fmt: skip


def _is_word(name: str) -> str:
    if name not in WORD_NAMES:
        msg = f"is not a word of the pages; there are {', '.join(WORD_NAMES)}"
        raise ValueError(msg)
    return name


WordName = Annotated[
    str, AfterValidator(_is_word), WithJsonSchema({"type": "string", "enum": list(WORD_NAMES)})
]


class SurveyTexts(Body):
    """The words around the questions, by language."""

    subject: LineTexts | None = None
    preheader: LineTexts | None = None
    intro: Texts | None = None
    thank_you: dict[BandName, ThankYou] = Field(default={})
    words: dict[WordName, Texts] = Field(
        default={}, description="Buttons and other words, in languages that are not shipped."
    )


class Definition(Body):
    """The content of one version."""

    name: Line
    metric: SurveyMetric = SurveyMetric.CUSTOM
    touchpoint: Slug | None = None
    default_locale: Locale = "en"
    questions: list[Question] = Field(min_length=1, max_length=100)
    texts: SurveyTexts = SurveyTexts()
    one_answer_per: Literal["order", "ticket", "customer"] | None = None
    follow_up_below: int | None = Field(
        default=None, ge=0, le=11, description="Main scores below it open a follow-up."
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        keys = [question.key for question in self.questions]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                msg = f"questions: the key `{key}` is used twice"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _conditions_look_back(self) -> Self:
        seen: set[str] = set()
        for question in self.questions:
            condition = question.show_if
            if condition and condition.question not in seen:
                key = condition.question
                msg = f"show_if of `{question.key}`: `{key}` is not an earlier question"
                raise ValueError(msg)
            seen.add(question.key)
        return self

    @model_validator(mode="after")
    def _metric_matches(self) -> Self:
        main = self.main_question
        if self.metric is SurveyMetric.CUSTOM:
            return self
        fits = main is not None and (
            str(main.type) == str(self.metric)
            or (self.metric is SurveyMetric.NPS and main.type is QuestionType.YES_NO)
        )
        if not fits:
            kind = main.type if main else "missing"
            msg = (
                f"metric: a survey for {self.metric} begins with a {self.metric} question, "
                f"but its first scored question is {kind}"
            )
            raise ValueError(msg)
        return self

    @property
    def main_question(self) -> Question | None:
        """The first scored question."""
        for question in self.questions:
            if traits_of(question.type).can_be_main:
                return question
        return None


TemplateName = Literal[
    "nps", "csat", "ces", "delivery", "support", "relationship", "six_pillars", "brand_experience",
    "nps_yes_no",
]  # fmt: skip

_EXAMPLE: dict[str, Any] = {
    "key": "checkout-csat",
    "name": "After checkout",
    "metric": "csat",
    "touchpoint": "checkout",
    "default_locale": "pl",
    "questions": [
        {
            "key": "score",
            "type": "csat",
            "text": {"pl": "Jak oceniasz zakupy?", "en": "How was your purchase?"},
            "required": True,
        },
        {
            "key": "why",
            "type": "text",
            "text": {"en": "What went wrong?"},
            "show_if": {"question": "score", "op": "<=", "value": 3},
        },
    ],
}


class SurveyPatch(Body):
    """Content to change in the draft; questions are replaced whole."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "After the purchase"}}
    )

    name: Line = ""
    metric: SurveyMetric = SurveyMetric.CUSTOM
    touchpoint: Slug | None = None
    default_locale: Locale = ""
    questions: list[Question] = Field(default=[], min_length=1, max_length=100)
    texts: SurveyTexts = Field(default_factory=SurveyTexts)
    one_answer_per: Literal["order", "ticket", "customer"] | None = None
    follow_up_below: int | None = Field(default=None, ge=0, le=11)


class SurveyIn(Body):
    """A new survey: its own questions, or a template's."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    key: Slug | None = Field(default=None, description="Default: made from the name.")
    name: Line | None = Field(default=None, description="Default: the template's.")
    metric: SurveyMetric | None = None
    touchpoint: Slug | None = None
    default_locale: Locale | None = None
    questions: list[Question] | None = Field(default=None, min_length=1, max_length=100)
    texts: SurveyTexts | None = None
    one_answer_per: Literal["order", "ticket", "customer"] | None = None
    follow_up_below: int | None = Field(default=None, ge=0, le=11)
    template: TemplateName | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.template is None and (self.questions is None or self.name is None):
            msg = "a survey needs a `name` and `questions`, or a `template`"
            raise ValueError(msg)
        return self


class DuplicateIn(Body):
    """What a copy of a survey is called."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"key": "nps-2027"}})

    key: Slug | None = Field(
        default=None, description="Default: made from the name, with a number if it is taken."
    )
    name: Line | None = Field(default=None, description="Default: the original's.")
