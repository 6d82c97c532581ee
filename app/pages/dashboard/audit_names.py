# SPDX-License-Identifier: Apache-2.0
"""What entries of the audit log were about: the name of each thing, and the page that shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.pages.dashboard.api import UserApi

# The lists of the API whose members have names, and the field that is the name.
_NAMED = {
    "surveys": "name", "triggers": "name", "integrations": "key", "alerts": "name",
    "members": "name", "api-keys": "name", "webhook-endpoints": "url", "share-links": "path",
    "touchpoints": "name", "journeys": "name",
}  # fmt: skip
# The pages of one thing; its id or key follows.
_PAGES = {
    "surveys": "/surveys/", "triggers": "/asking/", "integrations": "/connections/",
    "alerts": "/alerts/", "responses": "/responses/", "customers": "/people/",
}  # fmt: skip

# The names of things by their kind and their id or key.
SubjectNames = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class AuditSubject:
    """One thing that was changed: its name, if it is known, and the path of its page, if any."""

    name: str
    path: str | None = None


def subject_kind(action: str) -> str:
    """Return the kind of thing that an action was about: `surveys` of `PATCH /v1/surveys/…`."""
    return action.removesuffix("/").split("/")[2]


async def find_names(
    api: UserApi, rows: Sequence[Mapping[str, Any]], *, language: str
) -> SubjectNames:
    """Return the names of what the entries were about, in the language where there are several."""
    names: SubjectNames = {}
    for kind in {subject_kind(row["action"]) for row in rows} & _NAMED.keys():
        for subject in await api.list(f"/v1/{kind}"):
            name = subject[_NAMED[kind]]
            if isinstance(name, Mapping):
                name = name.get(language) or next(iter(name.values()), subject["key"])
            names |= {
                (kind, str(subject[by])): str(name or subject[by])
                for by in ("id", "key")
                if subject.get(by)
            }
    return names


def subject_of(row: Mapping[str, Any], names: SubjectNames) -> AuditSubject | None:
    """Return what an entry was about, or None if the path of its request names nothing."""
    value = next(iter(row["target"].values()), None)
    if value is None:
        return None
    kind = subject_kind(row["action"])
    is_gone = kind in _NAMED and (kind, value) not in names
    path = None if is_gone or kind not in _PAGES else _PAGES[kind] + value
    return AuditSubject(names.get((kind, value), value), path)
