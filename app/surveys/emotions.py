# SPDX-License-Identifier: Apache-2.0
"""The emotions that come with the product, with their valence and their names."""

from typing import Any

from app.core.texts import LANGUAGES, texts_of

_VALENCES = {
    "joy": 1,
    "surprise": 1,
    "calm": 1,
    "indifference": 0,
    "frustration": -1,
    "anger": -1,
    "disappointment": -1,
    "worry": -1,
}


def option_valence_sql(option: str) -> str:
    """Return the SQL of the valence that an option has in the question `q`."""
    return (
        "(jsonb_path_query_first(q.options, '$[*] ? (@.key == $o)', "
        f"jsonb_build_object('o', {option})) ->> 'valence')::int"
    )


SHIPPED_EMOTIONS: list[dict[str, Any]] = [
    {
        "key": key,
        "valence": valence,
        "text": {language: texts_of("emotions", language)[key] for language in LANGUAGES},
    }
    for key, valence in _VALENCES.items()
]
