# SPDX-License-Identifier: Apache-2.0
"""The content of an invitation's mail, as text and HTML, in the customer's language. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.core.texts import shipped_language, texts_of
from app.surveys.schemas import Definition, Question
from app.surveys.texts import SurveyWords, choose_language, direction_of
from app.surveys.wording import (
    Choice,
    SurveyWording,
    choices_of,
    ends_of,
    fill,
    first_name,
    in_language,
    names_customer,
    values_of,
)
from app.workspaces.colours import DARK_PAPER, PAPER, accent

_COLOUR = "#0b5cad"
# Stands in the hidden link in place of a score.
TRAP = "all"
# A score's cell is 48 px wide with its gap, so six of them fit on the narrowest phone.
_ONE_GROUP = 6
_templates = Environment(
    loader=PackageLoader("app.invitations"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Links:
    """The base of all links, and the secret part that names one invitation."""

    base_url: str
    token: str

    @property
    def page(self) -> str:
        """Where the customer answers."""
        return f"{self.base_url}/i/{self.token}"

    @property
    def unsubscribe(self) -> str:
        """Where the customer unsubscribes."""
        return f"{self.base_url}/u/{self.token}"

    @property
    def trap(self) -> str:
        """A hidden link, which only scanners follow."""
        return f"{self.page}/{TRAP}"

    def score(self, score: int) -> str:
        """Where the page opens with this score chosen."""
        return f"{self.page}/{score}"


@dataclass(frozen=True, slots=True)
class MailSender:
    """The sender of a mail, by the settings of the workspace or else of the service."""

    company: str
    address: str
    name: str | None = None
    reply_to: str | None = None
    footer: str | None = None
    colour: str | None = None
    logo_url: str | None = None


@dataclass(frozen=True, slots=True)
class Addressee:
    """One customer and what they are asked about."""

    invitation_id: UUID
    email: str
    name: str | None
    locale: str | None
    order: str | None
    ticket: str | None
    properties: Mapping[str, Any]

    @property
    def values(self) -> dict[str, object]:
        """What the survey's texts may name."""
        return values_of(
            name=self.name, order=self.order, ticket=self.ticket, properties=self.properties
        )


class MailContent:
    """The words of one mail."""

    def __init__(
        self, definition: Definition, addressee: Addressee, *, sender: MailSender, links: Links
    ) -> None:
        """Choose the language: the customer's where the survey speaks it, else the survey's own."""
        self._definition, self._addressee = definition, addressee
        self._sender, self._links = sender, links
        languages = sorted(
            {language for question in definition.questions for language in question.text}
        )
        locale = choose_language([addressee.locale or ""], languages, definition.default_locale)
        words = SurveyWords(
            locale, {str(key): value for key, value in definition.texts.words.items()}
        )
        values = addressee.values
        self._wording = SurveyWording(
            locale, definition.default_locale, words, lambda text: fill(text, values)
        )
        self.phrases = phrases_in(locale, definition.default_locale)

    @cached_property
    def subject(self) -> str:
        """The survey's own subject, else one of ours."""
        own = self._definition.texts.subject
        if own:
            return self._wording.say(own)
        return self.phrases["subject"].format(company=self._sender.company)

    @property
    def _question(self) -> Question:
        return self._definition.main_question or self._definition.questions[0]

    @property
    def _greeting(self) -> str | None:
        """The greeting; empty if the survey's own intro names the customer."""
        intro = self._definition.texts.intro
        if intro and names_customer(
            in_language(intro, self._wording.locale, self._wording.default)
        ):
            return None
        name = first_name(self._addressee.name)
        if not name:
            return self.phrases["greeting_nobody"]
        return self.phrases["greeting"].format(name=name)

    @property
    def _opening(self) -> str | None:
        """What the mail is about: the survey's own words, else the case."""
        if intro := self._definition.texts.intro:
            return self._wording.say(intro)
        if self._addressee.ticket:
            return self.phrases["about_ticket"].format(ticket=self._addressee.ticket)
        if self._addressee.order:
            return self.phrases["about_order"].format(order=self._addressee.order)
        return None

    @property
    def _why(self) -> str:
        return self.phrases["why"].format(company=self._sender.company)

    @property
    def text(self) -> str:
        """The plain part."""
        lines = [self._greeting, ""] if self._greeting else []
        if opening := self._opening:
            lines += [opening, ""]
        lines += [self._wording.say(self._question.text), ""]
        lines += [self.phrases["link"], self._links.page, ""]
        lines += [self.phrases["thanks"], self._sender.company, ""]
        lines += ["-- ", self._why, f"{self.phrases['unsubscribe']} {self._links.unsubscribe}"]
        if self._sender.footer:
            lines += ["", self._sender.footer]
        return "\n".join(lines) + "\n"

    @property
    def html(self) -> str:
        """The HTML part: one link a score, wrapped in two groups where a phone is narrow."""
        question, colour = self._question, self._sender.colour or _COLOUR
        locale, words = self._wording.locale, self._wording.words
        preheader = self._definition.texts.preheader
        choices = self._choices()
        ends = ends_of(question)
        return _templates.get_template("mail.html").render(
            lang=locale,
            dir=direction_of(locale),
            subject=self.subject,
            preheader=self._wording.say(preheader) if preheader else None,
            greeting=self._greeting,
            opening=self._opening,
            question=self._wording.say(question.text),
            groups=_groups(choices),
            ends=[words[end] for end in ends] if ends and choices else None,
            lowest=choices[0][0].label if choices else "",
            highest=choices[-1][0].label if choices else "",
            phrases=self.phrases,
            links=self._links,
            sender=self._sender,
            why=self._why,
            light=accent(colour, PAPER),
            dark=accent(colour, DARK_PAPER),
        )

    def _choices(self) -> list[tuple[Choice, str]]:
        """Return the answers that a link can choose, each with its link."""
        question = self._question
        if question is not self._definition.main_question:
            return []
        return [
            (choice, self._links.score(choice.score))
            for choice in choices_of(question, self._wording)
            if choice.score is not None
        ]


def _groups(choices: Sequence[tuple[Choice, str]]) -> list[Sequence[tuple[Choice, str]]]:
    """Split a long scale in two rows, the first one longer; words get one row each."""
    if choices and choices[0][0].word is not None:
        return [[choice] for choice in choices]
    if len(choices) <= _ONE_GROUP:
        return [choices] if choices else []
    half = (len(choices) + 1) // 2
    return [choices[:half], choices[half:]]


def phrases_in(*locales: str | None) -> dict[str, str]:
    """Return the mail's own phrases in the first language that is shipped, else English."""
    return texts_of("mail", shipped_language(*locales))
