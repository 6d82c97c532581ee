# SPDX-License-Identifier: Apache-2.0
"""The entity sets that OData serves, as data: their columns, order and description. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from app.core.errors import InvalidInput
from app.core.text_types import did_you_mean

NAMESPACE = "Afterword"
_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
TEXT, DATE, TRUTH = "Edm.String", "Edm.Date", "Edm.Boolean"
INTEGER, DECIMAL = "Edm.Int64", "Edm.Double"


@dataclass(frozen=True, slots=True)
class EntitySet:
    """Rows of one of the `bi` views: what names a row, and what is counted in it.

    `counts` is the column with how many answers a row counts; it decides what is a small group.
    """

    name: str
    counts: str
    keys: Mapping[str, str]
    columns: Mapping[str, str]

    @property
    def types(self) -> dict[str, str]:
        """Every property with its type."""
        return {**self.keys, **self.columns}

    @property
    def source(self) -> str:
        """The SQL of its rows; `:workspace` is bound. What names a row is never null."""
        columns = [
            f"coalesce({name}, '') as {name}" if name in self.keys and kind == TEXT else name
            for name, kind in self.types.items()
        ]
        return f"select {', '.join(columns)} from bi.{self.name} where workspace_id = :workspace"


def _columns(kind: str, names: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(names, kind)


_COUNTERS = (
    "responses", "promoters", "passives", "detractors", "satisfied", "dissatisfied", "easy",
    "score_sum", *(f"n{score}" for score in range(11)), "n_missing", "n_na",
)  # fmt: skip

SETS = {
    entity_set.name: entity_set
    for entity_set in (
        EntitySet(
            "figures_daily",
            "responses",
            {"date": DATE,
             **_columns(TEXT, ("survey", "question", "touchpoint", "channel", "locale"))},
            {**_columns(TEXT, ("metric", "scale")), "main_scale": TRUTH,
             **_columns(INTEGER, ("responses", "favourable", "unfavourable", "score_sum",
                              "n_missing", "n_na"))},
        ),
        EntitySet(
            "metric_daily",
            "responses",
            {"date": DATE,
             **_columns(TEXT, ("survey", "question", "touchpoint", "channel", "locale"))},
            {**_columns(TEXT, ("metric", "scale", "driver", "pillar", "module")),
             **_columns(INTEGER, _COUNTERS)},
        ),
        EntitySet(
            "metric_daily_by_segment",
            "responses",
            {"date": DATE,
             **_columns(TEXT, ("survey", "question", "touchpoint", "segment", "value"))},
            {**_columns(TEXT, ("metric", "scale", "driver", "pillar", "module")),
             **_columns(INTEGER, _COUNTERS)},
        ),
        EntitySet(
            "choices_daily",
            "chosen",
            {"date": DATE,
             **_columns(TEXT, ("survey", "question", "option", "touchpoint", "channel", "locale"))},
            _columns(INTEGER, ("valence", "chosen")),
        ),
        EntitySet(
            "tickets_daily",
            "resolved",
            {"date": DATE,
             **_columns(TEXT, ("source", "touchpoint"))},
            _columns(INTEGER, (
                "resolved", "first_seconds_sum", "resolved_fully", "full_seconds_sum", "replied",
                "reply_seconds_sum", "unresolved", "reopened", "invalid",
            )),
        ),
    )
}  # fmt: skip


def property_of(
    name_of_set: str, types: Mapping[str, str], name: str, parameter: str
) -> tuple[str, str]:
    """Return a property as SQL with its type; raise InvalidInput if it is unknown."""
    if name not in types:
        msg = f"`{name[:64]}` is not a property of {name_of_set}{did_you_mean(name, types)}"
        raise InvalidInput.at("query", parameter, msg=msg)
    return f'"{name}"', types[name]


def select_names(name_of_set: str, types: Mapping[str, str], text: str | None) -> list[str]:
    """Return the properties of `$select`, or all."""
    if text is None or text.strip() == "*":
        return list(types)
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        property_of(name_of_set, types, name, "$select")
    return names


def orderby_sql(
    name_of_set: str, types: Mapping[str, str], keys: Sequence[str], text: str | None
) -> str:
    """Return the SQL of `$orderby`; the keys follow, so that pages do not overlap."""
    parts: list[str] = []
    for part in text.split(",") if text else []:
        name, _, way = part.strip().partition(" ")
        way = way.strip().lower()
        if way not in {"", "asc", "desc"}:
            raise InvalidInput.at("query", "$orderby", msg="a property is followed by asc or desc")
        parts.append(f"{property_of(name_of_set, types, name, '$orderby')[0]} {way or 'asc'}")
    return ", ".join([*parts, *keys])


def build_metadata() -> bytes:
    """Return the service's description: an entity type and a set for each."""
    ElementTree.register_namespace("edmx", _EDMX)
    root = ElementTree.Element(f"{{{_EDMX}}}Edmx", {"Version": "4.0"})
    services = ElementTree.SubElement(root, f"{{{_EDMX}}}DataServices")
    schema = ElementTree.SubElement(services, "Schema", {"xmlns": _EDM, "Namespace": NAMESPACE})
    for entity_set in SETS.values():
        kind = ElementTree.SubElement(schema, "EntityType", {"Name": entity_set.name})
        key = ElementTree.SubElement(kind, "Key")
        for name in entity_set.keys:
            ElementTree.SubElement(key, "PropertyRef", {"Name": name})
        for name, type_ in entity_set.types.items():
            nullable = "false" if name in entity_set.keys else "true"
            attributes = {"Name": name, "Type": type_, "Nullable": nullable}
            ElementTree.SubElement(kind, "Property", attributes)
    container = ElementTree.SubElement(schema, "EntityContainer", {"Name": "Container"})
    for name in SETS:
        attributes = {"Name": name, "EntityType": f"{NAMESPACE}.{name}"}
        ElementTree.SubElement(container, "EntitySet", attributes)
    described: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return described
