"""The editor of a survey: questions, texts and tags by choosing; what is saved is the draft."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from fastapi import Query, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.routing import router
from app.pages.brand import look_of
from app.pages.dashboard.api import ApiRefused
from app.pages.dashboard.forms import FormOutcome
from app.pages.dashboard.sessions import ConsoleDep, DashboardVisit
from app.pages.dashboard.shown_again import saved_at, show_again
from app.pages.showing import PageLinks, SurveyView, show_form
from app.surveys import service as surveys
from app.surveys.compiled import CompiledSurvey, Derivation
from app.surveys.question_types import KNOWN_DRIVERS, QuestionType, displays_for, spec_of
from app.surveys.schemas import Definition, Module, Pillar, Status
from app.surveys.show_if import Operator
from app.workspaces.scopes import Scope

routes = router("Dashboard")

_FORM = "survey-save"
_TEXTS = ("subject", "preheader", "intro", "thank_you")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@routes.get("/surveys/{key}/edit", include_in_schema=False)
async def show_editor(
    visit: ConsoleDep, key: str, add_language: Annotated[str, Query(max_length=20)] = ""
) -> HTMLResponse:
    """Show a survey's draft as a form, with a preview beside; a new language has empty fields."""
    visit.require(Scope.ADMIN)
    survey = await visit.api.get(f"/v1/surveys/{key}")
    languages = _languages(survey)
    if _LANGUAGE.fullmatch(add_language) and add_language not in languages:
        languages.append(add_language)
    return visit.page(
        "survey_editor",
        title=survey["name"],
        survey=survey,
        languages=languages,
        types=list(QuestionType),
        spec_of=lambda name: spec_of(QuestionType(name)),
        displays_of=lambda name: _displays(visit, QuestionType(name)),
        pairs_of=lambda values, texts=None, kind="": _pairs(values, texts, kind),
        pillars=[str(pillar) for pillar in Pillar],
        modules=[str(module) for module in Module],
        operators=[str(operator) for operator in get_args(Operator)],
        known_drivers=KNOWN_DRIVERS,
    )


def _pairs(values: Sequence[Any], texts: Any, kind: str) -> list[tuple[str, str]]:
    """Return the choices of a field: each value with its name, where it has one."""
    return [(str(v), texts.name(kind, str(v)) if texts else str(v)) for v in values]


def _displays(visit: DashboardVisit, type_: QuestionType) -> list[tuple[str, str]]:
    """Return how a scale may be shown; none for what is no scale."""
    return [(name, visit.texts["display." + name]) for name in displays_for(type_)]


def _languages(survey: Mapping[str, Any]) -> list[str]:
    """Return the languages of the survey's texts, its default language first."""
    found = {language for q in survey["questions"] for language in q["text"]}
    return sorted(found | {survey["default_locale"]}, key=lambda x: x != survey["default_locale"])


@routes.post("/surveys/{key}/edit", include_in_schema=False)
async def post_editor(visit: ConsoleDep, key: str) -> Response:
    """Save the draft, then do what was pressed: add, move or remove a question, or publish."""
    visit.require(Scope.ADMIN)
    fields = await visit.read_all_fields()
    form = {name: values[-1] for name, values in fields.items()}
    survey = await visit.api.get(f"/v1/surveys/{key}")
    change = _read_draft(form, survey)
    _apply_button(change["questions"], form.get("_do", ""), form)
    try:
        await visit.api.send("PATCH", f"/v1/surveys/{key}", json_body=change)
        if form.get("_do") == "publish":
            await visit.api.send("POST", f"/v1/surveys/{key}/publish")
            return RedirectResponse(saved_at(f"/surveys/{key}"), status_code=303)
    except ApiRefused as refused:
        outcome = FormOutcome(_FORM, fields, refused.detail, refused.fields)
        return await show_again(visit, f"/surveys/{key}/edit", outcome, status=refused.status)
    added = form.get("add_language", "").strip()
    more = f"?add_language={added}" if _LANGUAGE.fullmatch(added) else ""
    return RedirectResponse(saved_at(f"/surveys/{key}/edit{more}"), status_code=303)


def _read_draft(form: Mapping[str, str], survey: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draft that the form holds; what the form does not show stays as it is."""
    languages = _form_languages(form, survey)
    texts = dict(survey["texts"])
    for name in _TEXTS:
        found = {lang: text for lang in languages
                 if (text := form.get(f"texts.{name}.{lang}", "").strip())}  # fmt: skip
        if name == "thank_you":
            thanks = dict(texts.get("thank_you") or {})
            if found:
                thanks["default"] = (thanks.get("default") or {}) | {"text": found}
            texts["thank_you"] = thanks
        else:
            texts[name] = found or None
    numbers = sorted({int(m[1]) for name in form if (m := re.match(r"questions\.(\d+)\.", name))})
    before = survey["questions"]
    below = form.get("follow_up_below", "").strip()
    return {
        "name": form.get("name", "").strip() or survey["name"],
        "metric": survey["metric"],
        "touchpoint": form.get("touchpoint", "").strip() or None,
        "default_locale": form.get("default_locale", survey["default_locale"]),
        "one_answer_per": form.get("one_answer_per") or None,
        "follow_up_below": int(below) if below.isdigit() else None,
        "texts": texts,
        "questions": [
            _question(form, n, languages, before[n] if n < len(before) else {}) for n in numbers
        ],
    }


def _form_languages(form: Mapping[str, str], survey: Mapping[str, Any]) -> list[str]:
    """Return the survey's languages, and those that the form has fields for."""
    languages = _languages(survey)
    for name in form:
        _, separator, language = name.partition(".text.")
        if separator and _LANGUAGE.fullmatch(language) and language not in languages:
            languages.append(language)
    return languages


def _question(
    form: Mapping[str, str], n: int, languages: Sequence[str], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one question of the form."""

    def of(name: str) -> str:
        return form.get(f"questions.{n}.{name}", "").strip()

    type_ = QuestionType(of("type")) if of("type") in set(QuestionType) else QuestionType.TEXT
    spec = spec_of(type_)
    default = next(iter(languages))
    text = {lang: found for lang in languages if (found := of(f"text.{lang}"))}
    question: dict[str, Any] = {
        "key": of("key"), "type": type_, "text": text or {default: of("key") or "?"},
        "required": of("required") == "1", "allow_na": of("allow_na") == "1",
        "reverse": of("reverse") == "1",
    }  # fmt: skip
    if spec.choosable_points and of("points").isdigit():
        question["points"] = int(of("points"))
    for name in ("driver", "pillar", "module", "touchpoint", "display"):
        if of(name):
            question[name] = of(name)
    if spec.has_options:
        question["options"] = _options(of, languages, before.get("options") or [])
    if of("show_if.question"):
        question["show_if"] = {
            "question": of("show_if.question"), "op": of("show_if.op"),
            "value": _condition_value(of("show_if.op"), of("show_if.value")),
        }  # fmt: skip
    return question


def _options(of: Any, languages: Sequence[str], before: Sequence[Any]) -> list[dict[str, Any]]:
    """Read the options, one `key = text` a line in each language."""
    found: dict[str, dict[str, str]] = {}
    for lang in languages:
        for line in of(f"options.{lang}").splitlines():
            key, separator, text = line.partition("=")
            key, text = key.strip(), text.strip()
            if not separator:
                key, text = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-"), key
            if key:
                found.setdefault(key, {})[lang] = text or key
    valences = {option["key"]: option.get("valence") for option in before}
    return [
        {"key": key, "text": text}
        | ({"valence": valences[key]} if valences.get(key) is not None else {})
        for key, text in found.items()
    ]


def _condition_value(op: str, text: str) -> Any:
    def parse(part: str) -> Any:
        part = part.strip()
        if part in {"true", "false"}:
            return part == "true"
        return int(part) if re.fullmatch(r"-?\d+", part) else part

    return [parse(part) for part in text.split(",")] if op in {"in", "not_in"} else parse(text)


def _apply_button(questions: list[dict[str, Any]], pressed: str, form: Mapping[str, str]) -> None:
    """Add, move or remove a question, as a button says."""
    verb, _, place = pressed.partition(".")
    if verb == "add":
        questions.append(_new_question(questions, form.get("add_type", "text")))
        return
    if not place.isdigit() or int(place) >= len(questions):
        return
    n = int(place)
    if verb == "remove" and len(questions) > 1:
        del questions[n]
    elif verb == "up" and n > 0:
        questions[n - 1], questions[n] = questions[n], questions[n - 1]
    elif verb == "down" and n + 1 < len(questions):
        questions[n + 1], questions[n] = questions[n], questions[n + 1]


def _new_question(questions: Sequence[Mapping[str, Any]], type_: str) -> dict[str, Any]:
    keys = {question["key"] for question in questions}
    number = next(n for n in range(len(questions) + 1, 1000) if f"q{n}" not in keys)
    language = next(iter(questions[0]["text"])) if questions else "en"
    made: dict[str, Any] = {"key": f"q{number}", "type": type_, "text": {language: "…"}}
    if type_ in {QuestionType.CHOICE, QuestionType.CHOICES}:
        made["options"] = [{"key": k, "text": {language: k.upper()}} for k in ("a", "b")]
    return made


@routes.get("/surveys/{key}/preview", include_in_schema=False)
async def show_preview(visit: ConsoleDep, request: Request, key: str, lang: str = "") -> Response:
    """Show the draft as its page would look; nothing that the preview sends is stored."""
    survey = await visit.api.get(f"/v1/surveys/{key}")
    names = set(Definition.model_fields)
    definition = Definition.model_validate({k: v for k, v in survey.items() if k in names})
    return await _preview(visit, request, key, definition, lang)


@routes.post("/surveys/{key}/preview", include_in_schema=False)
async def post_preview(visit: ConsoleDep, request: Request, key: str) -> Response:
    """Show what stands in the editor's form, and store nothing."""
    fields = await visit.read_all_fields()
    form = {name: values[-1] for name, values in fields.items()}
    survey = await visit.api.get(f"/v1/surveys/{key}")
    try:
        definition = Definition.model_validate(_read_draft(form, survey))
    except ValidationError as error:
        return Response(str(error.errors()[0]["msg"]), status_code=422, media_type="text/plain")
    return await _preview(visit, request, key, definition, form.get("lang", ""))


async def _preview(
    visit: DashboardVisit, request: Request, key: str, definition: Definition, lang: str
) -> Response:
    found = await surveys.find(visit.session, visit.workspace.id, key)
    compiled = CompiledSurvey(
        workspace_id=visit.workspace.id, survey_id=found.id, key=found.key,
        public_id=found.public_id, status=Status.DRAFT, version=found.latest_version,
        definition=definition, derivation=Derivation(b"", None),
    )  # fmt: skip
    languages = compiled.locales
    locale = lang if lang in languages else definition.default_locale
    view = SurveyView(compiled, look_of(visit.workspace), locale, {})
    links = PageLinks(action=f"/surveys/{key}/preview-sent")
    return show_form(request.app.state.box, view, links, answers={}, questions=definition.questions)


@routes.post("/surveys/{key}/preview-sent", include_in_schema=False)
async def post_preview_sent(_visit: ConsoleDep, key: str) -> Response:
    """Take what the preview's own form sends: nothing is stored."""
    return RedirectResponse(f"/surveys/{key}/preview", status_code=303)
