# SPDX-License-Identifier: Apache-2.0
"""The service's own words: three whole languages, their plurals, and the choice among them."""

import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import app
from app.core.texts import LANGUAGES, SECTIONS, plural_of, texts_of
from app.imports import customer_rows, options, ticket_rows
from app.interactions.known_types import KnownType
from app.metrics.registry import METRICS
from app.pages.dashboard.pages import PAGES
from app.surveys.question_types import QuestionType, WordAnswers, spec_of
from app.surveys.schemas import WORD_NAMES
from app.surveys.texts import (
    SurveyWords,
    accepted_languages,
    choose_language,
    direction_of,
)


def test_every_language_has_every_word() -> None:
    for section in SECTIONS:
        english = texts_of(section, "en").keys()
        assert english
        for language in LANGUAGES:
            there = texts_of(section, language).keys()
            assert there == english, f"{language}, {section}: {sorted(there ^ english)}"


DATA = sorted(
    path for path in Path(app.__file__).parent.rglob("*.json") if "node_modules" not in path.parts
)


@pytest.mark.parametrize("path", DATA, ids=lambda path: "/".join(path.parts[-2:]))
def test_no_name_stands_twice(path: Path) -> None:
    """Of two equal names in an object the second would silently replace the first."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        assert twice == []
        return dict(pairs)

    json.loads(path.read_text(), object_pairs_hook=distinct)


def test_every_page_and_template_of_the_dashboard_has_its_words() -> None:
    words = texts_of("dashboard", "en") | texts_of("names", "en")
    assert PAGES.keys() <= words.keys()
    for name, metric in METRICS.items():
        # Alerts and comparisons name what can be watched, cards explain what is on them.
        if metric.can_be_watched:
            assert f"metric.{name}" in words
        if metric.on_overview:
            assert f"about.{name}" in words
    templates = files("app.pages").joinpath("templates/dashboard")
    modules = Path(str(files("app.pages").joinpath("dashboard"))).glob("*.py")
    pairs = [(file, r'texts\["([a-z0-9_.]+)"\]') for file in templates.iterdir()]
    pairs += [(file, r'visit\.texts\["([a-z0-9_.]+)"\]') for file in modules]
    for file, pattern in pairs:
        for name in re.findall(pattern, file.read_text()):
            assert name in words, (file.name, name)


def test_every_language_fills_in_the_same() -> None:
    """A placeholder that one language calls otherwise would fail where it is filled."""
    for section in SECTIONS:
        texts = {language: texts_of(section, language) for language in LANGUAGES}
        for name in texts["en"]:
            fields = {
                language: set(re.findall(r"\{(\w+)\}", json.dumps(texts[language][name])))
                for language in LANGUAGES
            }
            assert fields["en"] == fields["pl"] == fields["ro"], (section, name, fields)


def test_every_question_type_has_its_words() -> None:
    for type_ in QuestionType:
        assert f"type.{type_}" in texts_of("dashboard", "en")
        answers = spec_of(type_).answers
        if isinstance(answers, WordAnswers):
            # Statements of SQL take scales of words to begin at 0.
            assert min(answer.score for answer in answers.answers) == 0
            names = {f"answer.{str(answer.value).lower()}" for answer in answers.answers}
            assert names <= texts_of("dashboard", "en").keys()
    assert set(WORD_NAMES) <= texts_of("survey", "en").keys()


@pytest.mark.parametrize(
    ("language", "category", "numbers"),
    # The whole numbers that CLDR gives as examples of each category.
    [
        ("en", "one", [1]),
        ("en", "other", [0, 2, 16, 100, 1000]),
        ("pl", "one", [1]),
        ("pl", "few", [2, 3, 4, 22, 23, 24, 32, 33, 34, 42, 102, 1002]),
        ("pl", "many", [0, 5, 6, 19, 12, 13, 14, 25, 100, 112, 1000]),
        ("ro", "one", [1]),
        ("ro", "few", [0, 2, 16, 101, 1001, 119]),
        ("ro", "other", [20, 35, 100, 1000, 120]),
    ],
)
def test_plurals_are_cldrs(language: str, category: str, numbers: list[int]) -> None:
    assert {plural_of(language, number) for number in numbers} == {category}


def test_a_number_takes_its_form() -> None:
    words = SurveyWords("pl-PL", {})
    assert [words.plural("more", number) for number in (1, 2, 5)] == [
        "Jeszcze 1 pytanie", "Jeszcze 2 pytania", "Jeszcze 5 pytań",
    ]  # fmt: skip


def test_a_surveys_own_words_win_and_the_rest_says_its_language() -> None:
    words = SurveyWords("ar", {"send": {"ar": "إرسال"}})
    assert (words["send"], words.language_attributes("send")) == ("إرسال", "")
    assert words["next"] == "Next"
    assert words.language_attributes("next") == ' lang="en" dir="ltr"'
    assert [direction_of(locale) for locale in ("ar-EG", "he", "pl", "en-GB")] == [
        "rtl", "rtl", "ltr", "ltr",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("languages", "chosen"),
    [
        (["pl-PL"], "pl"),
        (["de", "ro"], "ro"),
        (["en-US"], "en-GB"),
        (["EN-gb"], "en-GB"),
        (["", "xx"], "pl"),
        ([], "pl"),
    ],
)
def test_the_first_known_language_is_chosen(languages: list[str], chosen: str) -> None:
    assert choose_language(languages, ["pl", "ro", "en-GB"], "pl") == chosen


def test_languages_are_accepted_in_the_order_of_their_weight() -> None:
    header = "ro;q=0.2, pl-PL , *;q=0.1, en;q=0.8, de;q=0"
    assert accepted_languages(header) == ["pl-PL", "en", "ro"]
    assert accepted_languages("de ; q=0.1, pl; q=0.5, en; q = 0.9") == ["en", "pl", "de"]


def test_events_and_fields_of_files_have_their_names() -> None:
    words = texts_of("dashboard", "en")
    fields = {*options.FIELDS, *ticket_rows.FIELDS, *customer_rows.FIELDS}
    assert [name for name in fields if f"field.{name}" not in words] == []
    assert [name for name in KnownType if f"happened.{name}" not in words] == []


def test_every_fixed_answer_is_read_from_files() -> None:
    words = json.loads((Path(app.__file__).parent / "imports" / "words.json").read_text())
    for type_ in QuestionType:
        answers = spec_of(type_).answers
        if isinstance(answers, WordAnswers):
            for answer in answers.answers:
                assert words.get(answer.word), f"imports/words.json has no {answer.word!r}"
