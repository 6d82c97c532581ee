# SPDX-License-Identifier: Apache-2.0
"""One page of a survey, as the person who is asked sees it."""

import datetime as dt
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.core.clock import utc_now
from app.core.errors import Forbidden, TooLarge
from app.core.http import read_body
from app.core.signing import SealedBox
from app.invitations.votes import SubmissionSignals
from app.pages.brand import PageStyle
from app.pages.rendering import render_page
from app.pages.survey_form import shown_question, shown_questions
from app.surveys.compiled import CompiledSurvey
from app.surveys.schemas import Question
from app.surveys.texts import SurveyWords
from app.surveys.wording import SurveyWording, fill, label_of

_MAX_BYTES = 1 << 18
_RENDERED = "page.rendered"


@dataclass(frozen=True, slots=True)
class SurveyView:
    """A survey being shown to one person: in which words, and in whose name."""

    survey: CompiledSurvey
    page_style: PageStyle
    locale: str
    values: Mapping[str, object]
    kiosk: bool = False

    @property
    def words(self) -> SurveyWords:
        """The service's own words, or the survey's."""
        own = self.survey.definition.texts.words
        return SurveyWords(self.locale, {str(name): texts for name, texts in own.items()})

    @property
    def wording(self) -> SurveyWording:
        """How the survey's texts are said."""
        default = self.survey.definition.default_locale
        return SurveyWording(self.locale, default, self.words, lambda text: fill(text, self.values))


@dataclass(frozen=True, slots=True)
class PageLinks:
    """Where a page's form goes, and what else the page leads to.

    `trap` is a link that no person sees; `unsubscribe` and `data` are for the invited.
    """

    action: str
    trap: str | None = None
    unsubscribe: str | None = None
    data: str | None = None
    change: str | None = None
    start: str | None = None


def questions_for(
    view: SurveyView, answers: Mapping[str, Any], *, follows: bool
) -> tuple[list[Question], Question | None]:
    """Return the questions of this step, and the main one where it was answered before.

    At first only the main question is shown. Once it has an answer from a link or an earlier visit,
    it is shown with all further questions; right after it was sent, these are shown without it.
    """
    definition = view.survey.definition
    main = definition.main_question
    if main is not None and main.show_if is None and main.key not in answers:
        return [main], None
    questions = shown_questions(definition, answers)
    further_questions = [question for question in questions if question is not main]
    if follows and further_questions and main is not None and answers.get(main.key) is not None:
        return further_questions, main
    return questions, None


def show_form(  # noqa: PLR0913 - what one page holds
    box: SealedBox,
    view: SurveyView,
    links: PageLinks,
    *,
    answers: Mapping[str, Any],
    questions: Sequence[Question],
    answered: Question | None = None,
    wrong: Mapping[str, str] | None = None,
    confirm: str | None = None,
) -> HTMLResponse:
    """Show questions as a form.

    `answered` is the main question if the form leaves it out. `wrong` maps questions to what is
    wrong with their answers. `confirm` is the question whose answer needs a gesture to count.
    """
    wording, words = view.wording, view.words
    wrong = wrong or {}
    form_questions = [
        shown_question(question, answers.get(question.key), wording, wrong=question.key in wrong)
        for question in questions
    ]
    definition = view.survey.definition
    intro = definition.texts.intro
    shown_page = render_page(
        "survey.html",
        lang=view.locale,
        status=422 if wrong else 200,
        title=view.page_style.company,
        page_style=view.page_style,
        intro=wording.say(intro) if intro and answered is None else None,
        wrong={key: words[reason] for key, reason in wrong.items()},
        reasons=wrong,
        links=links,
        rendered=stamp(box),
        asked=",".join(question.key for question in questions),
        questions=form_questions,
        answered=label_of(answered, answers.get(answered.key), wording) if answered else None,
        more=len(questions) if answered else 0,
        is_last=bool(answered) or len(questions) > 1 or len(definition.questions) == 1,
        confirm=confirm,
        words=words,
        kiosk=view.kiosk,
        scripts=("page.js", "kiosk.js") if view.kiosk else ("page.js",),
    )
    if view.kiosk:
        # The next person's Back must not find it.
        shown_page.headers["Cache-Control"] = "no-store"
    return shown_page


def stamp(box: SealedBox, *, ago: dt.timedelta = dt.timedelta()) -> str:
    """Return the signed time at which a form was made."""
    return box.sign(_RENDERED, struct.pack(">d", (utc_now() - ago).timestamp()))


def show_thanks(view: SurveyView, band: str | None, links: PageLinks) -> HTMLResponse:
    """Show the thank-you page, with the survey's own text for this band if there is one."""
    texts = view.survey.definition.texts.thank_you
    own = texts.get(band or "default", texts.get("default"))  # type: ignore[call-overload]
    wording, words = view.wording, view.words
    link_text = None
    if own is not None and own.link_url:
        link_text = wording.say(own.link_text) if own.link_text else own.link_url
    return render_page(
        "thanks.html",
        lang=view.locale,
        title=words["thanks_title"],
        page_style=view.page_style,
        message=wording.say(own.text) if own else words["thanks"],
        own=own is not None,
        link_url=own.link_url if own else None,
        link_text=link_text,
        links=links,
        words=words,
        kiosk=view.kiosk,
        refresh=f"6;url={links.start}" if view.kiosk else None,
        scripts=("kiosk.js",) if view.kiosk else ("page.js",),
    )


def show_confirmation(box: SealedBox, view: SurveyView, links: PageLinks) -> HTMLResponse:
    """Ask a respondent that may be a program for one more press; no answer is lost."""
    words = view.words
    return render_page(
        "again.html",
        lang=view.locale,
        title=words["again_title"],
        page_style=view.page_style,
        links=links,
        # A person has read one page already, so the second one need not wait as long.
        rendered=stamp(box, ago=dt.timedelta(seconds=2)),
        words=words,
        scripts=("page.js",),
    )


def show_message(
    locale: str | None,
    name: str,
    *,
    page_style: PageStyle | None = None,
    status: int = 200,
    links: PageLinks | None = None,
    refresh: str | None = None,
) -> HTMLResponse:
    """Show one message of the service's own words; `links` add what an invited person may do."""
    words = SurveyWords(locale, {})
    lang = words.locale if not words.language_attributes(name) else "en"
    return render_page(
        "message.html",
        lang=lang,
        status=status,
        title=words[f"{name}_title"],
        page_style=page_style,
        message=words[name],
        links=links,
        words=words,
        refresh=refresh,
    )


@dataclass(frozen=True, slots=True)
class PostedForm:
    """A form as it was sent: its fields, and what they show of the sender."""

    fields: Mapping[str, Sequence[str]]
    signals: SubmissionSignals
    question_keys: Sequence[str]

    @property
    def is_ours(self) -> bool:
        """Whether it is one of our forms: those bear the time at which they were made."""
        return "_at" in self.fields

    @property
    def is_first_gesture(self) -> bool:
        """Whether the page's script only reports the first gesture."""
        return bool(self.fields.get("_first"))


async def read_fields(request: Request) -> dict[str, list[str]]:
    """Read a form's fields; raises TooLarge for one that none of our pages could have sent."""
    body = await read_body(request, limit=_MAX_BYTES)
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=500)
    except ValueError:
        raise TooLarge("The form has too many fields.") from None


async def read_form(request: Request, box: SealedBox) -> PostedForm:
    """Read a form; raises TooLarge for one that none of our pages could have sent.

    Another site's page may not send it in the name of its visitors: that is Forbidden.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("This form is sent from its own page only.")
    fields = await read_fields(request)
    last = {name: values[-1] for name, values in fields.items()}
    at = box.verify(_RENDERED, last.get("_at", ""))
    rendered = dt.datetime.fromtimestamp(struct.unpack(">d", at)[0], dt.UTC) if at else None
    if rendered is None and "_at" in last:
        # A time without our signature counts as no time at all.
        rendered = utc_now()
    signals = SubmissionSignals(
        scripted=bool(last.get("_js")),
        gesture=bool(last.get("_g")),
        trapped=bool(last.get("_website")),
        asked_again=bool(last.get("_again")),
        rendered_at=rendered,
    )
    keys = last["_asked"].split(",") if "_asked" in last else list(fields)
    return PostedForm(fields, signals, keys)


def answer_problems(
    view: SurveyView, answers: Mapping[str, Any], keys: Sequence[str], wrong: Sequence[str] = ()
) -> dict[str, str]:
    """Return the problem of each asked question: `required` if empty, `unfit` if its answer is."""
    definition = view.survey.definition
    empty = {
        question.key: "required"
        for question in shown_questions(definition, answers)
        if question.required
        and (question.key in keys or question == definition.main_question)
        and answers.get(question.key) is None
    }
    return empty | dict.fromkeys(wrong, "unfit")


def sign_response(box: SealedBox, survey: CompiledSurvey, response_id: UUID) -> str:
    """Return the signed part of a page's address that names its response."""
    return box.sign(f"page.response.{survey.public_id}", response_id.bytes)


def read_response_id(box: SealedBox, survey: CompiledSurvey, text: str) -> UUID | None:
    """Return the response that a page's address names, or None where we did not make it."""
    raw = box.verify(f"page.response.{survey.public_id}", text)
    return UUID(bytes=raw) if raw else None
