# SPDX-License-Identifier: Apache-2.0
"""Which language words are in, and their basic forms.

The dictionaries are those of simplemma. The index of a large one takes seconds to make, so it is
kept in a file and read in a fraction of that the next time.
"""

import contextlib
import pickle
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from app.core.texts import LANGUAGES
from app.insights.make_dictionary import load_dictionary, write_dictionary
from app.interactions.erased_names import plain_words

if TYPE_CHECKING:
    from simplemma import Lemmatizer
    from simplemma.strategies import DictionaryLookupStrategy

# A language that knows at most this share of a comment's words is hardly its language.
_FEW_KNOWN = 0.6
_MIN_LETTERS = 2
_MAX_KEPT = 200_000
_MAX_LANGUAGES = 8
# The languages with a dictionary that are not written in Latin letters.
_LANGUAGES_BY_SCRIPT = {
    "CYRILLIC": ("ru", "uk", "bg", "mk"), "GREEK": ("el",), "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",), "DEVANAGARI": ("hi",), "ARABIC": ("fa",),
}  # fmt: skip


class DictionaryFiles:
    """Simplemma's dictionaries, each kept as a file in a folder once it was loaded.

    Without a folder they are loaded anew in each process.
    """

    def __init__(self) -> None:
        """Begin without a folder."""
        self.folder: Path | None = None
        self._preparing = Lock()
        self._load = lru_cache(maxsize=_MAX_LANGUAGES)(self._load_uncached)

    def get_dictionary(self, lang: str) -> Mapping[str, str]:
        """Return the basic form of each word of a language."""
        return self._load(lang)

    def prepare(self, languages: Sequence[str]) -> None:
        """Make the files that are missing, each in a process of its own.

        Making one computes for seconds, in which this process would answer more slowly. A second
        caller waits for the first.
        """
        with self._preparing:
            self._make_elsewhere(languages)

    def _make_elsewhere(self, languages: Sequence[str]) -> None:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "app.insights.make_dictionary", str(file), language],
                stderr=subprocess.DEVNULL,
            )
            for language in languages
            if (file := self._file(language)) and not file.exists()
        ]
        # What such a process does not make is made here when it is asked for.
        for process in processes:
            process.wait()

    def _load_uncached(self, lang: str) -> Mapping[str, str]:
        return self._read(lang) or self._make(lang)

    def _file(self, lang: str) -> Path | None:
        return self.folder and self.folder / f"{lang}-{version('simplemma')}.pickle"

    def _read(self, lang: str) -> Mapping[str, str] | None:
        """Return what the file holds; None if there is none, or if it cannot be read."""
        if (file := self._file(lang)) is None:
            return None
        try:
            # The folder is the service's own, like the secrets beside it.
            dictionary = pickle.loads(file.read_bytes())  # noqa: S301
        except Exception:  # noqa: BLE001 - whatever is wrong with the file, it is made anew
            return None
        return dictionary if isinstance(dictionary, Mapping) else None

    def _make(self, lang: str) -> Mapping[str, str]:
        dictionary = load_dictionary(lang)
        if (file := self._file(lang)) is not None:
            # A folder that cannot be written costs time, and nothing else.
            with contextlib.suppress(OSError):
                write_dictionary(file, dictionary)
        return dictionary


DICTIONARIES = DictionaryFiles()


def keep_dictionaries_in(folder: Path) -> None:
    """Name the folder in which the dictionaries are kept."""
    DICTIONARIES.folder = folder


def language_of_words(words: Sequence[str], language: str, default: str) -> str:
    """Return the language of some words: the page's own, unless another one fits clearly better.

    A respondent who did not choose a language has the survey's, so the page's may be wrong.
    """
    script = _script_of(words)
    names: Sequence[str] = [language, default, *LANGUAGES]
    if script is not None:
        of_script = _LANGUAGES_BY_SCRIPT.get(script, ())
        names = [language, *of_script] if language in of_script or not of_script else of_script
        language = names[0]
    candidates = [name for name in dict.fromkeys(names) if name in _languages_with_lemmas()]
    if not candidates:
        return language
    is_candidate = language in candidates
    own = sum(_knows(word, language) for word in words) if is_candidate else 0
    best = language
    if not is_candidate or own == 0 or _is_clearly_better(len(words), own):
        # Another language can win only if the page's own knows too few of the words.
        known_words = {name: sum(_knows(word, name) for word in words) for name in candidates}
        fitting = max(candidates, key=lambda name: (known_words[name], -candidates.index(name)))
        # A language without a dictionary stays, unless another one knows most words.
        least = _FEW_KNOWN * len(words) if not is_candidate else 0
        is_better = _is_clearly_better(known_words[fitting], own) or (
            own == 0 and known_words[fitting] == len(words)
        )
        if known_words[fitting] > least and is_better:
            best = fitting
    return best if script is not None else _by_common_words(words, best)


def _is_clearly_better(known: int, own: int) -> bool:
    """Tell whether a language that knows so many words fits better than the page's own."""
    return known >= own + 2 and known >= 1.5 * own


def _script_of(words: Sequence[str]) -> str | None:
    """Return the script of most words, as Unicode names it; None for Latin, and without words."""
    scripts = Counter(unicodedata.name(word[0], "").partition(" ")[0] for word in words)
    script = max(scripts, key=lambda name: scripts[name], default="LATIN")
    return None if script == "LATIN" else script


def _by_common_words(words: Sequence[str], best: str) -> str:
    """Return the language with more common words, if the best one knows few of the words."""
    if sum(_knows(word, best) for word in words) > _FEW_KNOWN * len(words):
        return best
    vocabulary = set(words)
    counts = {
        name: len(vocabulary & _common_words(name)) for name in sorted(_languages_with_lemmas())
    }
    other = max(counts, key=lambda name: counts[name])
    return other if counts[other] > max(1, counts.get(best, 0)) else best


def prepare_dictionaries(default: str) -> list[str]:
    """Make the files of the languages that comments are first read with; return the languages."""
    languages = [
        name for name in dict.fromkeys([default, *LANGUAGES]) if name in _languages_with_lemmas()
    ]
    DICTIONARIES.prepare(languages)
    return languages


@cache
def load_dictionaries(default: str) -> None:
    """Load the dictionaries of the languages that comments are first read with."""
    for language in prepare_dictionaries(default):
        _knows("questionnaire", language)


@cache
def _languages_with_lemmas() -> frozenset[str]:
    from simplemma.strategies.dictionaries.dictionary_factory import (  # noqa: PLC0415 - loaded when used
        SUPPORTED_LANGUAGES,
    )

    return frozenset(SUPPORTED_LANGUAGES)


@cache
def _common_words(language: str) -> frozenset[str]:
    """Return words by which a language is known; some of them name what people talk about."""
    from stop_words import StopWordError, get_stop_words  # noqa: PLC0415 - loaded when used

    own = _read_function_words(language) or ()
    try:
        return frozenset([*own, *get_stop_words(language)])
    except StopWordError:
        return frozenset(own)


@cache
def _function_words(language: str) -> frozenset[str]:
    """Return the words that say nothing by themselves, without accents, as many write them."""
    own = _read_function_words(language)
    return frozenset(plain_words(_common_words(language) if own is None else own))


def _read_function_words(language: str) -> list[str] | None:
    """Return our own list of a language; None if there is none.

    Lists made for search engines also drop words such as `website`, `help` and `good`.
    """
    file = resources.files("app.insights") / "function_words" / f"{language}.txt"
    return file.read_text().split() if file.is_file() else None


@cache
def _lookup() -> "DictionaryLookupStrategy":
    from simplemma.strategies import DictionaryLookupStrategy  # noqa: PLC0415 - loaded when used

    return DictionaryLookupStrategy(DICTIONARIES)


@cache
def _lemmatizer() -> "Lemmatizer":
    from simplemma import Lemmatizer  # noqa: PLC0415 - loaded when used
    from simplemma.strategies import DefaultStrategy  # noqa: PLC0415 - loaded when used

    return Lemmatizer(lemmatization_strategy=DefaultStrategy(dictionary_factory=DICTIONARIES))


_IS_KNOWN_WORD: dict[tuple[str, str], bool] = {}
_LEMMAS: dict[tuple[str, str], str | None] = {}


def _knows(word: str, language: str) -> bool:
    is_known = _IS_KNOWN_WORD.get((word, language))
    if is_known is None:
        has_dictionary = language in _languages_with_lemmas()
        in_dictionary = has_dictionary and _lookup().get_lemma(word, language) is not None
        is_known = in_dictionary or word in _common_words(language)
        _keep(_IS_KNOWN_WORD, (word, language), is_known)
    return is_known


def lemma_of(word: str, language: str) -> str | None:
    """Return the word's basic form; None for a stop word or a single letter."""
    if (word, language) in _LEMMAS:
        return _LEMMAS[word, language]
    lemma = _lemma_of_whole(word, language)
    if lemma is not None and language == "ro" and "-" in word:
        # Short words are joined to others by a hyphen: `m-a`, `într-o`, `dă-mi`.
        parts = [part for part in word.split("-") if len(part) >= _MIN_LETTERS]
        lemmas = [part for part in (_lemma_of_whole(part, language) for part in parts) if part]
        lemma = lemmas[0] if len(lemmas) == 1 else lemma if lemmas else None
    _keep(_LEMMAS, (word, language), lemma)
    return lemma


def _lemma_of_whole(word: str, language: str) -> str | None:
    lemma = word
    if language in _languages_with_lemmas():
        lemma = _lemmatizer().lemmatize(word, lang=language).lower()
    is_stop_word = not plain_words([word, lemma]).isdisjoint(_function_words(language))
    return None if is_stop_word or len(word) < _MIN_LETTERS else lemma


def _keep(entries: dict[tuple[str, str], Any], key: tuple[str, str], value: Any) -> None:
    if len(entries) >= _MAX_KEPT:
        entries.clear()
    entries[key] = value
