# SPDX-License-Identifier: Apache-2.0
"""The endings that names get in sentences, and the nominative's endings that these replace."""

from collections import defaultdict

_HUNGARIAN = (
    "nak", "nek", "val", "vel", "hoz", "hez", "tol", "rol", "t", "at", "et", "ot", "ra", "re",
    "ban", "ben", "ek", "ert",
)  # fmt: skip
# Endings of names without accents, each with the nominative's endings that it replaces. Those of
# all languages are tried on each word: a name keeps the endings of the language that it is used in.
_ENDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "pl": {
        "a": ("", "o"), "u": ("", "a"), "owi": ("", "o"), "em": ("",), "iem": ("",),
        "ie": ("a", ""), "y": ("a", "o"), "i": ("a", "o", "ia"), "ii": ("ia",), "o": ("a",),
        "e": ("a", "", "o"),
        "iego": ("i",), "iemu": ("i",), "im": ("i",), "iej": ("a", "i"), "ej": ("a",),
        "ego": ("y", "e"), "emu": ("y", "e"), "ym": ("y",), "ich": ("i",), "imi": ("i",),
        "ych": ("y",), "ymi": ("y",), "owie": ("",), "ow": ("", "a"), "om": ("", "a"),
        "ami": ("", "a"), "ach": ("", "a"), "owej": ("",), "owa": ("",), "owna": ("",),
        "ska": ("ski",), "cka": ("cki",),
        # Soft ends: Rys, Rysia; Kmiec, Kmiecia; Kasia, Kasiu.
        "ia": ("",), "iowi": ("",), "iu": ("", "ia"), "iom": ("", "ia"), "iow": ("",),
        # Consonants that change: Marta, Marcie; Wanda, Wandzie; Olga, Oldze; Barbara, Barbarze.
        "cie": ("ta", "t"), "dzie": ("da", "d"), "ce": ("ka", "ko"), "dze": ("ga",),
        "sze": ("cha",), "rze": ("ra", "r"), "scie": ("sta", "st"),
        # The vowel before the last letter comes and goes: Marek, Marka; Pawel, Pawla; Orzel, Orla.
        **{f"k{end}": ("ek",) for end in ("a", "owi", "iem", "u", "owie", "ow", "ami", "ach")},
        **{f"c{end}": ("ec", "iec") for end in ("a", "owi", "em", "u", "owie", "ow", "ami")},
        **{f"l{end}": ("el", "ol", "iol") for end in ("a", "owi", "em", "u", "owie")},
        "le": ("la", "l", "el", "ol"),
        **{f"rl{end}": ("rzel",) for end in ("a", "owi", "em", "u", "owie")},
        **{f"n{end}": ("ien",) for end in ("ia", "iowi", "iem", "iu", "iowie")},
        **{f"t{end}": ("et",) for end in ("a", "owi", "em", "u")},
        **{f"tl{end}": ("ciol",) for end in ("a", "owi", "em", "u", "owie")},
        **{f"tn{end}": ("cien",) for end in ("ia", "iowi", "iem", "iu", "iowie")},
        **{f"dn{end}": ("dzien",) for end in ("ia", "iowi", "iem", "iu", "iowie")},
        **{f"rc{end}": ("rzec",) for end in ("a", "owi", "em", "u", "owie")},
        **{f"eb{end}": ("ab",) for end in ("a", "owi", "em", "ie")},
        "zle": ("ziol",), "scy": ("ski",), "ccy": ("cki",), "drze": ("dro",),
        **{f"eb{end}": ("ab",) for end in ("ia", "iowi", "iem", "iu", "iowie")},
    },
    "ro": {
        "ei": ("a",), "iei": ("ia",), "ii": ("a", "ia", "i", "e"), "ai": ("a",), "i": ("a", "e"),
        "ului": ("", "u"), "ul": ("", "u"), "ule": ("", "u"), "e": ("",), "o": ("a",),
        "ilor": ("", "i", "e"), "lor": ("", "e"), "enilor": ("eanu",),
        "estilor": ("escu",), "elui": ("e",), "ane": ("n",),
    },
    "cs": {
        "ovi": ("", "a"), "em": ("",), "ou": ("a",), "u": ("a", ""), "ova": ("",), "ove": ("", "a"),
        "om": ("",),
    },
    "de": {"s": ("",), "es": ("",)},
    "en": {"s": ("",)},
    "hu": dict.fromkeys(_HUNGARIAN, ("",)),
    "lt": {
        "o": ("as", "a"), "ui": ("as",), "a": ("as",), "u": ("as",), "io": ("is", "ys"),
        "iui": ("is", "ys"), "iu": ("is", "ys"), "os": ("a",), "es": ("e",), "ai": ("a", "as"),
        "ei": ("e",),
    },
    "ru": {
        "а": ("", "о"), "у": ("", "а"), "ом": ("",), "ым": ("",), "е": ("", "а"), "ои": ("а",),
        "ы": ("а",), "и": ("а", "я"), "ю": ("я", ""), "я": ("и", "ь"), "ем": ("и", "ь"),
        "ову": ("ов",), "ові": ("",), "ою": ("а",), "еві": ("и",), "еи": ("я",),
    },
}  # fmt: skip
NOMINATIVES: dict[str, set[str]] = defaultdict(set)
for _of_language in _ENDINGS.values():
    for _ending, _nominatives in _of_language.items():
        NOMINATIVES[_ending].update(_nominatives)
MAX_ENDING_LETTERS = max(map(len, NOMINATIVES))
