"""The emotions that come with the product, with their valence and their names."""

from typing import Any

_NAMES = (
    ("joy", 1, "Joy", "Radość", "Bucurie"),
    ("surprise", 1, "Pleasant surprise", "Miłe zaskoczenie", "Surpriză plăcută"),
    ("calm", 1, "Calm", "Spokój", "Calm"),
    ("indifference", 0, "Indifference", "Obojętność", "Indiferență"),
    ("frustration", -1, "Frustration", "Frustracja", "Frustrare"),
    ("anger", -1, "Anger", "Złość", "Furie"),
    ("disappointment", -1, "Disappointment", "Rozczarowanie", "Dezamăgire"),
    ("worry", -1, "Worry", "Niepokój", "Îngrijorare"),
)

SHIPPED_EMOTIONS: list[dict[str, Any]] = [
    {"key": key, "valence": valence, "text": {"en": en, "pl": pl, "ro": ro}}
    for key, valence, en, pl, ro in _NAMES
]
