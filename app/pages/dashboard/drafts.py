# SPDX-License-Identifier: Apache-2.0
"""The draft of a survey as the editor's form holds it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.text_types import slug_of
from app.surveys.question_types import QuestionType, traits_of

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
# Stands for the text of a question until somebody writes it.
UNWRITTEN = "…"
_TEXTS = ("subject", "preheader", "intro", "thank_you")


def languages_of(survey: Mapping[str, Any]) -> list[str]:
    """Return the languages of the survey's texts, its default language first."""
    locales = {language for question in survey["questions"] for language in question["text"]}
    return sorted(locales | {survey["default_locale"]}, key=lambda x: x != survey["default_locale"])


def read_draft(form: Mapping[str, str], survey: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draft that the form holds; what the form does not show stays as it is."""
    languages = _form_languages(form, survey)
    texts = dict(survey["texts"])
    for name in _TEXTS:
        translations = {lang: text for lang in languages
                 if (text := form.get(f"texts.{name}.{lang}", "").strip())}  # fmt: skip
        if name == "thank_you":
            thanks = dict(texts.get("thank_you") or {})
            usual = thanks.get("default") or {}
            if translations:
                thanks["default"] = usual | {"text": translations}
            elif not usual.get("link_url"):
                # A link needs its text, so thanks that have a link keep it.
                thanks.pop("default", None)
            texts["thank_you"] = thanks
        else:
            texts[name] = translations or None
    texts["words"] = _words(form, texts.get("words") or {})
    numbers = sorted({int(m[1]) for name in form if (m := re.match(r"questions\.(\d+)\.", name))})
    before = survey["questions"]
    below = form.get("follow_up_below", "").strip()
    return {
        "name": form.get("name", "").strip() or survey["name"],
        "metric": survey["metric"],
        "touchpoint": form.get("touchpoint", "").strip() or None,
        "default_locale": form.get("default_locale", survey["default_locale"]),
        "one_answer_per": form.get("one_answer_per") or None,
        "follow_up_below": int(below) if below.isdecimal() else None,
        "texts": texts,
        "questions": [
            _question(form, number, languages, before[number] if number < len(before) else {})
            for number in numbers
        ],
    }


def _words(
    form: Mapping[str, str], before: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Return the survey's own words, with those of the form; an empty field removes one."""
    words = {name: dict(texts) for name, texts in before.items()}
    for field, typed in form.items():
        prefix, _, suffix = field.partition("texts.words.")
        name, _, language = suffix.partition(".")
        if prefix or not LANGUAGE.fullmatch(language):
            continue
        words.setdefault(name, {}).pop(language, None)
        if typed.strip():
            words[name][language] = typed.strip()
    return {name: texts for name, texts in words.items() if texts}


def _form_languages(form: Mapping[str, str], survey: Mapping[str, Any]) -> list[str]:
    """Return the survey's languages, and those that the form has fields for."""
    languages = languages_of(survey)
    for name in form:
        _, separator, language = name.partition(".text.")
        if separator and LANGUAGE.fullmatch(language) and language not in languages:
            languages.append(language)
    return languages


def _question(
    form: Mapping[str, str], n: int, languages: Sequence[str], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one question of the form."""

    def of(name: str) -> str:
        return form.get(f"questions.{n}.{name}", "").strip()

    type_ = _type_at(form, n)
    traits = traits_of(type_)
    default = next(iter(languages))
    text = {lang: wording for lang in languages if (wording := of(f"text.{lang}"))}
    question: dict[str, Any] = {
        "key": of("key"), "type": type_, "text": text or {default: UNWRITTEN},
        "required": of("required") == "1", "allow_na": of("allow_na") == "1",
        "reverse": of("reverse") == "1",
    }  # fmt: skip
    if traits.choosable_points and of("points").isdecimal():
        question["points"] = int(of("points"))
    for name in ("driver", "pillar", "module", "touchpoint", "display"):
        if of(name):
            question[name] = of(name)
    if traits.has_options:
        question["options"] = _options(of, languages, before.get("options") or [])
    if of("show_if.question"):
        question["show_if"] = {
            "question": of("show_if.question"), "op": of("show_if.op"),
            "value": _condition_value(
                of("show_if.op"), of("show_if.value"), _type_of(form, of("show_if.question"))
            ),
        }  # fmt: skip
    return question


def _options(of: Any, languages: Sequence[str], before: Sequence[Any]) -> list[dict[str, Any]]:
    """Read the options, one `key = text` a line in each language.

    The first language with any lines decides which options there are. A line without a key
    is about the option that stood in its position; an empty text is left to the first language.
    """
    typed = {
        lang: list(map(_option_line, of(f"options.{lang}").splitlines())) for lang in languages
    }
    typed = {lang: [line for line in lines if any(line)] for lang, lines in typed.items()}
    main = next((lang for lang in languages if typed[lang]), None)
    if main is None:
        return []
    typed_keys = {key for key, _ in typed[main]}
    keys: list[str] = []
    for number, (key, text) in enumerate(typed[main]):
        former = before[number]["key"] if number < len(before) else ""
        free_key = former if former not in {*typed_keys, *keys} else ""
        keys.append(key or free_key or slug_of(text, default="option", keys={*typed_keys, *keys}))
    texts = {key: {main: text or key} for key, (_, text) in zip(keys, typed[main], strict=True)}
    for lang in languages:
        for number, (key, text) in enumerate(typed[lang] if lang != main else ()):
            about = key or (keys[number] if number < len(keys) else "")
            if text and about in texts:
                texts[about][lang] = text
    valences = {option["key"]: option.get("valence") for option in before}
    return [
        {"key": key, "text": text}
        | ({"valence": valences[key]} if valences.get(key) is not None else {})
        for key, text in texts.items()
    ]


def _option_line(line: str) -> tuple[str, str]:
    """Return the key and the text of a line; a line without `=` is a text alone."""
    key, separator, text = line.partition("=")
    return (key.strip(), text.strip()) if separator else ("", line.strip())


def without_text(change: Mapping[str, Any]) -> list[int]:
    """Return the positions of the questions of a draft that nobody has written yet."""
    return [
        number
        for number, question in enumerate(change["questions"])
        if set(question["text"].values()) <= {UNWRITTEN}
    ]


def _type_at(form: Mapping[str, str], number: int) -> QuestionType:
    """Return the type of a question of the form; an unknown one is read as a text."""
    type_ = form.get(f"questions.{number}.type", "").strip()
    return QuestionType(type_) if type_ in set(QuestionType) else QuestionType.TEXT


def _type_of(form: Mapping[str, str], key: str) -> QuestionType | None:
    """Return the type of the form's question of this key."""
    for name, value in form.items():
        if value.strip() == key and (match := re.fullmatch(r"questions\.(\d+)\.key", name)):
            return _type_at(form, int(match[1]))
    return None


def _condition_value(op: str, text: str, type_: QuestionType | None) -> Any:
    """Read what a condition compares with; the keys of options are texts, even of digits."""
    is_text = type_ is not None and traits_of(type_).has_options

    def parse(part: str) -> Any:
        part = part.strip()
        if is_text:
            return part
        if part in {"true", "false"}:
            return part == "true"
        return int(part) if re.fullmatch(r"-?\d+", part) else part

    return [parse(part) for part in text.split(",")] if op in {"in", "not_in"} else parse(text)
