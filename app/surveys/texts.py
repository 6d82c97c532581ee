# SPDX-License-Identifier: Apache-2.0
"""The product's own words around a survey, in the customer's language. Pure."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from app.core.texts import FALLBACK, language_of, plural_of, shipped_language, texts_of

_RIGHT_TO_LEFT = {"ar", "dv", "fa", "he", "ps", "ur", "yi"}


def direction_of(locale: str) -> str:
    """Return which way a language is written, as HTML's `dir`."""
    return "rtl" if language_of(locale) in _RIGHT_TO_LEFT else "ltr"


def is_shipped(locale: str) -> bool:
    """Tell whether our own words are there in this language."""
    return shipped_language(locale) == language_of(locale)


class SurveyWords:
    """Words in one language: shipped ones, or the survey's own; English where there are none."""

    def __init__(self, locale: str | None, own: Mapping[str, Mapping[str, str]]) -> None:
        """`own` maps a word to its texts by language, as a survey gives them."""
        self.locale = locale or FALLBACK
        language = language_of(locale)
        self._language = shipped_language(locale)
        self._shipped = texts_of("survey", self._language)
        self._own = {
            name: text
            for name, texts in own.items()
            if (text := texts.get(self.locale) or texts.get(language))
        }

    @property
    def language(self) -> str:
        """The language of the words that are shipped."""
        return self._language

    def __getitem__(self, name: str) -> str:
        """Return one word."""
        return self._own.get(name) or str(self._shipped[name])

    def has(self, name: str) -> bool:
        """Tell whether there is such a word."""
        return name in self._own or name in self._shipped

    def of(self, name: str, **values: object) -> str:
        """Return one word with values filled in."""
        return self[name].format(**values)

    def plural(self, name: str, n: int) -> str:
        """Return the form of a word that goes with a number."""
        forms: dict[str, str] = self._shipped[name]
        return forms[plural_of(self._language, n)].format(n=n)

    def is_foreign(self, name: str) -> bool:
        """Tell whether a word is in another language than the page."""
        return name not in self._own and self._language != language_of(self.locale)

    def language_attributes(self, name: str) -> Markup:
        """Return the attributes that say in which language a word is, where not in the page's."""
        if not self.is_foreign(name):
            return Markup("")
        return Markup(' lang="{0}" dir="{1}"').format(self._language, direction_of(self._language))


def choose_language(preferred: Sequence[str], known: Sequence[str], default: str) -> str:
    """Return the first wanted language that is known, in full or by its language, else default."""
    by_name = {name.lower(): name for name in known}
    by_language = {language_of(name): name for name in reversed(known)}
    for name in filter(None, preferred):
        language = by_name.get(name.lower()) or by_language.get(language_of(name))
        if language:
            return language
    return default


def accepted_languages(header: str) -> list[str]:
    """Return the languages of an `Accept-Language` header, the most preferred first."""
    weighed: list[tuple[float, int, str]] = []
    for part in header[:500].split(","):
        name, _, parameter = part.partition(";")
        quality = parameter.strip().removeprefix("q").strip().removeprefix("=")
        name = name.strip()
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        if name and name != "*" and weight > 0:
            weighed.append((-weight, len(weighed), name))
    return [name for *_, name in sorted(weighed)]
