# SPDX-License-Identifier: Apache-2.0
"""A file that is imported: what opens it, and the text encoding that it is in."""

import codecs
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import BinaryIO

from app.core.errors import InvalidInput

# Old Macs and DOS come last: they are chosen only where they fit better.
_SINGLE_BYTE = ("cp1252", "cp1250", "iso8859_2", "mac_roman", "cp850", "cp852")
_CHUNK_BYTES = 1 << 20
_MAX_NON_ASCII_LINES = 2000
# Of two plausible encodings, one wins only if it gives this many more known words.
_CLEARLY_MORE_WORDS = 2
# The share of letters that fit one language. Below the first share no encoding is accepted;
# from the second share on an encoding is accepted even without any known word.
_MIN_SHARE, _SURE_SHARE = 0.6, 0.9
# With fewer known words than this, the share of letters must be at least `_SURE_SHARE`.
_FEW_WORDS = 2
# The letters beyond ASCII of each language; the right encoding gives those of one language.
_ALPHABETS = {
    "polish": "ąćęłńóśźż",
    "romanian": "ăâîșțşţ",
    "czech": "áčďéěíňóřšťúůýžäĺľôŕ",
    "hungarian": "áéíóöőúüű",
    "german": "äöüß",
    "french": "àâæçéèêëîïôœùûüÿ",
    "spanish": "áéíñóúü¿¡",
    "italian": "àèéìíîòóùú",
    "portuguese": "áâãàçéêíóôõú",
    "nordic": "åäöæøéü",
}
# A letter beyond ASCII after a lower-case letter. If it is upper-case, the encoding is wrong.
_LETTER_AFTER_LOWER_CASE = re.compile(r"(?<=[a-z])([^\W\d_a-zA-Z])")
# A quotation mark or other sign between two lower-case letters also shows a wrong encoding.
_QUOTE_INSIDE = re.compile(r"(?<=[a-z])[«»“”„‚…•§€£©®™½¼¾¤¦¨¬¯¶¸±×÷](?=[a-z])")
_PUNCTUATION = "«»“”„‘’‚–—…•·§€£©®™°%½¼¾×±²³ºª´`¨\xa0"


class SourceFile:
    """A file that can be opened again: from the disk, or from the body of a request."""

    def __init__(self, name: str, open_: Callable[[], BinaryIO]) -> None:
        """Name it; nothing is opened yet."""
        self.name = name
        self.open = open_

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> "SourceFile":
        """Make a source file of a request's body."""
        return cls(name, lambda: io.BytesIO(content))


def detect_encoding(source: SourceFile, encoding: str | None) -> tuple[str, str | None]:
    """Return the file's encoding, and a second one where both are plausible and differ."""
    if encoding is not None:
        encoding = _require_encoding(encoding)
    with source.open() as file:
        head = file.read(4)
        # A byte order mark overrides the caller's encoding; files of rejected rows have one.
        for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                           (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
            if head.startswith(mark):
                return name, None
        if encoding is not None:
            return encoding, None
        if b"\x00" in head:
            return "utf-16-le" if head[1:2] == b"\x00" else "utf-16-be", None
        file.seek(0)
        if _is_utf8(file):
            return "utf-8", None
        file.seek(0)
        odd = [line for line in file.read(_CHUNK_BYTES * 8).splitlines() if not line.isascii()]
    return _detect_single_byte(odd[:_MAX_NON_ASCII_LINES])


def _require_encoding(encoding: str) -> str:
    """Return the name of an encoding of text; Python knows other codecs, such as zlib, too."""
    try:
        with io.TextIOWrapper(io.BytesIO(), encoding):
            b"9".decode(encoding, errors="replace")
            return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        msg = (
            f"`{encoding[:40]}` is not an encoding of text; use one such as utf-8, cp1250 or cp1252"
        )
        raise InvalidInput.at("query", "encoding", msg=msg) from None


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(_CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _detect_single_byte(lines: Sequence[bytes]) -> tuple[str, str | None]:
    """Choose the encoding that gives the letters of one language, then its common words."""
    fits: dict[str, tuple[float, int]] = {}
    texts: dict[str, str] = {}
    for name in _SINGLE_BYTE:
        try:
            text = "\n".join(line.decode(name) for line in lines)
        except UnicodeDecodeError:
            continue
        if (fit := _fit_of(text)) is not None:
            texts[name], fits[name] = text, fit
    if not fits:
        raise _unknown_encoding()
    ranked = sorted(fits, key=lambda name: (fits[name], -_SINGLE_BYTE.index(name)), reverse=True)
    best = ranked[0]
    share, word_count = fits[best]
    if share < _MIN_SHARE or (share < _SURE_SHARE and word_count < _FEW_WORDS):
        raise _unknown_encoding()
    others = [
        name
        for name in ranked[1:]
        if texts[name] != texts[best]
        and fits[name][0] == share
        and word_count - fits[name][1] < _CLEARLY_MORE_WORDS
    ]
    return best, others[0] if others else None


def _unknown_encoding() -> InvalidInput:
    detail = (
        "The encoding of the file cannot be found out; say it with `encoding`, such as cp1250, "
        "cp1251 or shift_jis."
    )
    return InvalidInput(detail)


def _fit_of(text: str) -> tuple[float, int] | None:
    """Return how well a text fits one language: the share of its letters, and its known words.

    None if it holds control characters, which text never does.
    """
    odd = Counter(character for character in text.lower() if ord(character) > 127)
    if any(0x80 <= ord(character) <= 0x9F for character in odd):
        return None
    letters = {key: count for key, count in odd.items() if key not in _PUNCTUATION}
    quotes = len(_QUOTE_INSIDE.findall(text))
    total = sum(letters.values()) + quotes
    misplaced = (
        sum(match[1].isupper() for match in _LETTER_AFTER_LOWER_CASE.finditer(text)) + quotes
    )
    # Single letters are words of many languages, and parts of addresses.
    words = set(re.findall(r"[^\W\d_]{2,}", text.lower()))
    best = (0.0, 0)
    for language, alphabet in _ALPHABETS.items():
        fitting = sum(count for key, count in letters.items() if key in alphabet) - misplaced
        share = max(0.0, fitting / total) if total else 1.0
        best = max(best, (round(share, 2), len(words & _common_words(language))))
    return best


@cache
def _common_words(language: str) -> frozenset[str]:
    from stop_words import get_stop_words  # noqa: PLC0415 - read when a file needs it

    name = {"nordic": "swedish"}.get(language, language)
    return frozenset(get_stop_words(name))
