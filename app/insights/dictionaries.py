# SPDX-License-Identifier: Apache-2.0
"""Which language words are in, and their basic forms.

The dictionaries are those of simplemma. The index of a large one takes seconds to make, so it is
kept in a file and read in a fraction of that the next time.
"""

import contextlib
import pickle
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.texts import LANGUAGES

if TYPE_CHECKING:
    from simplemma import Lemmatizer
    from simplemma.strategies import DictionaryLookupStrategy

# A language that knows at most this share of a comment's words is hardly its language.
_FEW_KNOWN = 0.6
_SHORTEST = 2
_MOST_KEPT = 200_000
_MOST_LANGUAGES = 8


class DictionaryFiles:
    """Simplemma's dictionaries, each kept as a file in a folder once it was loaded.

    Without a folder they are loaded anew in each process.
    """

    def __init__(self) -> None:
        """Begin without a folder."""
        self.folder: Path | None = None
        self._load = lru_cache(maxsize=_MOST_LANGUAGES)(self._load_uncached)

    def get_dictionary(self, lang: str) -> Mapping[str, str]:
        """Return the basic form of each word of a language."""
        return self._load(lang)

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
        from simplemma.strategies.dictionaries import (  # noqa: PLC0415 - loaded when asked for
            StreamDictionaryFactory,
        )

        dictionary = StreamDictionaryFactory().get_dictionary(lang)
        if (file := self._file(lang)) is not None:
            # A folder that cannot be written costs time, and nothing else.
            with contextlib.suppress(OSError):
                _write_whole(file, pickle.dumps(dictionary, pickle.HIGHEST_PROTOCOL))
        return dictionary


def _write_whole(file: Path, content: bytes) -> None:
    """Write a file so that nobody reads half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as temporary:
        temporary.write(content)
    Path(temporary.name).replace(file)


DICTIONARIES = DictionaryFiles()


def keep_dictionaries_in(folder: Path) -> None:
    """Name the folder in which the dictionaries are kept."""
    DICTIONARIES.folder = folder


def language_of_words(words: Sequence[str], language: str, default: str) -> str:
    """Return the language of some words: the page's own, unless another one fits clearly better.

    A respondent who did not choose a language has the survey's, so the page's may be wrong.
    """
    candidates = [
        name for name in dict.fromkeys([language, default, *LANGUAGES]) if name in _lemmatised()
    ]
    if not candidates:
        return language
    is_candidate = language in candidates
    own = sum(_knows(word, language) for word in words) if is_candidate else 0
    best = language
    if not is_candidate or _is_clearly_better(len(words), own):
        # Only here can another language win: its own knows too few of the words.
        known_words = {name: sum(_knows(word, name) for word in words) for name in candidates}
        fitting = max(candidates, key=lambda name: (known_words[name], -candidates.index(name)))
        # A language without a dictionary is the answer's own unless another knows most words.
        least = _FEW_KNOWN * len(words) if not is_candidate else 0
        if known_words[fitting] > least and _is_clearly_better(known_words[fitting], own):
            best = fitting
    return _by_common_words(words, best)


def _is_clearly_better(known: int, own: int) -> bool:
    """Tell whether a language that knows so many words fits better than the page's own."""
    return known >= own + 2 and known >= 1.5 * own


def _by_common_words(words: Sequence[str], best: str) -> str:
    """Return the language with more common words, if the best one knows few of the words."""
    if sum(_knows(word, best) for word in words) > _FEW_KNOWN * len(words):
        return best
    given = set(words)
    counts = {name: len(given & _stop_words(name)) for name in sorted(_lemmatised())}
    other = max(counts, key=lambda name: counts[name])
    return other if counts[other] > max(1, counts.get(best, 0)) else best


@cache
def load_dictionaries(default: str) -> None:
    """Load the dictionaries of the languages that comments are first judged by."""
    for language in dict.fromkeys([default, *LANGUAGES]):
        if language in _lemmatised():
            _knows("questionnaire", language)


@cache
def _lemmatised() -> frozenset[str]:
    from simplemma.strategies.dictionaries.dictionary_factory import (  # noqa: PLC0415 - as above
        SUPPORTED_LANGUAGES,
    )

    return frozenset(SUPPORTED_LANGUAGES)


@cache
def _stop_words(language: str) -> frozenset[str]:
    from stop_words import StopWordError, get_stop_words  # noqa: PLC0415 - as above

    try:
        return frozenset(get_stop_words(language))
    except StopWordError:
        return frozenset()


@cache
def _lookup() -> "DictionaryLookupStrategy":
    from simplemma.strategies import DictionaryLookupStrategy  # noqa: PLC0415 - as above

    return DictionaryLookupStrategy(DICTIONARIES)


@cache
def _lemmatizer() -> "Lemmatizer":
    from simplemma import Lemmatizer  # noqa: PLC0415 - as above
    from simplemma.strategies import DefaultStrategy  # noqa: PLC0415 - as above

    return Lemmatizer(lemmatization_strategy=DefaultStrategy(dictionary_factory=DICTIONARIES))


_KNOWN: dict[tuple[str, str], bool] = {}
_LEMMAS: dict[tuple[str, str], str | None] = {}


def _knows(word: str, language: str) -> bool:
    is_known = _KNOWN.get((word, language))
    if is_known is None:
        has_dictionary = language in _lemmatised()
        in_dictionary = has_dictionary and _lookup().get_lemma(word, language) is not None
        is_known = in_dictionary or word in _stop_words(language)
        _keep(_KNOWN, (word, language), is_known)
    return is_known


def lemma_of(word: str, language: str) -> str | None:
    """Return the word's basic form; None for a stop word or a single letter."""
    if (word, language) in _LEMMAS:
        return _LEMMAS[word, language]
    stop = _stop_words(language)
    lemma: str | None = word
    if language in _lemmatised():
        lemma = _lemmatizer().lemmatize(word, lang=language).lower()
    if word in stop or lemma in stop or len(word) < _SHORTEST:
        lemma = None
    _keep(_LEMMAS, (word, language), lemma)
    return lemma


def _keep(kept: dict[tuple[str, str], Any], key: tuple[str, str], value: Any) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value
