# SPDX-License-Identifier: Apache-2.0
"""Customers' names, which never stand among the words of comments."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.request import InsightRequest, Reply, ResponseQuery
from app.interactions.erased_names import (
    ACCENTS,
    LETTERS,
    SAME,
    find_erased_names,
    plain_words,
)

_SHORTEST_NAME = 3
# Of fewer answers only the customers who gave them are looked through, not all.
_FEW_ANSWERS = 50_000
# The endings of names, without accents, and the nominatives' endings in their place.
_ENDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "pl": {
        "a": ("",), "u": ("",), "owi": ("",), "em": ("",), "iem": ("",), "ie": ("a", ""),
        "y": ("a",), "i": ("a",), "e": ("a",), "o": ("a",), "iego": ("i",), "iemu": ("i",),
        "im": ("i",), "iej": ("a",), "ej": ("a",), "ego": ("y",), "emu": ("y",), "ym": ("y",),
        "owie": ("",), "ow": ("",), "om": ("",), "ami": ("", "a"), "ach": ("", "a"),
        # Marek, Marka; Niemiec, Niemca: the vowel before the last letter comes and goes.
        **{f"k{ending}": ("ek",) for ending in ("a", "owi", "iem", "u", "owie", "ow")},
        **{f"c{ending}": ("ec", "iec") for ending in ("a", "owi", "em", "u", "owie", "ow")},
    },
    "ro": {"ei": ("a",), "iei": ("ia",), "ului": ("", "u"), "i": ("a", "e"), "ul": ("",)},
    "de": {"s": ("",), "es": ("",)},
    "en": {"s": ("",)},
    "ru": {
        "а": ("",), "у": ("", "а"), "ом": ("",), "ым": ("",), "е": ("", "а"), "ой": ("а",),
        "ы": ("а",), "ову": ("ов",),
    },
}  # fmt: skip
# German writes its own letters so where it lacks them.
_GERMAN = (("ae", "a"), ("oe", "o"), ("ue", "u"))


async def without_names(
    session: AsyncSession,
    request: InsightRequest,
    rows: Sequence[Reply],
    answers: int,
) -> list[Reply]:
    """Return the first rows of which no word occurs in a name or address of a customer.

    `answers` says how many answers the request means; of many, customers are read otherwise.
    """
    limit = request.options["limit"]
    wanted = request.metric_request
    is_few = answers < _FEW_ANSWERS and not (wanted.filters or wanted.properties)
    kept: list[Reply] = []
    for chunk in _chunks(rows, max(limit, 100)):
        row_words = [
            name_forms(plain_words([row["term"], *row.pop("words")]), row["locale"])
            for row in chunk
        ]
        words = sorted(set().union(*row_words))
        names = await _names_among(session, request, words, is_few=is_few)
        names |= await find_erased_names(session, wanted.workspace.id, words)
        kept += [
            row for row, words in zip(chunk, row_words, strict=True) if names.isdisjoint(words)
        ]
        if len(kept) >= limit:
            break
    return kept[:limit]


def name_forms(words: Iterable[str], language: str) -> set[str]:
    """Return the names that words without accents may be forms of: themselves, and nominatives.

    A name is inflected in Polish and Romanian: `nowakiem` is Nowak, `mariei` is Maria.
    """
    forms = set(words)
    if language == "de":
        for written, plain in _GERMAN:
            forms |= {word.replace(written, plain) for word in forms}
    for ending, nominatives in _ENDINGS.get(language, {}).items():
        stems = {word.removesuffix(ending) for word in words if word.endswith(ending)}
        forms |= {
            stem + nominative
            for stem in stems
            for nominative in nominatives
            if len(stem + nominative) >= _SHORTEST_NAME
        }
    return forms


def _chunks(rows: Sequence[Reply], size: int) -> Iterator[tuple[Reply, ...]]:
    for start in range(0, len(rows), size):
        yield tuple(rows[start : start + size])


def _of_whole_period(request: InsightRequest) -> InsightRequest:
    """Return the request of the same period without its filters."""
    plain = replace(request.metric_request, filters={}, properties={}, latest=False)
    return replace(request, metric_request=plain)


async def _names_among(
    session: AsyncSession, request: InsightRequest, words: Sequence[str], *, is_few: bool
) -> set[str]:
    """Return which words occur in the name or address of a customer who answered in the span.

    Filters do not narrow this: one customer may be named in the comment of another, on any
    channel. If the answers are few, only the customers who gave them are read. Otherwise all are,
    and the answers only of those who are called like a word.
    """
    query = ResponseQuery(_of_whole_period(request))
    wanted = query.bind(list(words))
    accents, same = query.bind(LETTERS + ACCENTS), query.bind(SAME)

    def words_in(name: str, email: str) -> str:
        return f"""regexp_split_to_table(
  translate(normalize(replace(lower(concat_ws(' ', {name}, {email})), 'ß', 'ss'), NFD),
    {accents}, {same}),
  '[^[:alpha:]]+') w(word)"""

    who = f"and c.id in (select r.customer_id {query.source('true')})" if is_few else ""
    statement = f"""
with called as materialized (
  select c.id, w.word from customer c cross join lateral {words_in("c.name", "c.email")}
  where c.workspace_id = :workspace {who} and w.word = any(cast({wanted} as text[])))
select word from (select distinct word from called) named where exists (
  select 1 from called join lateral (
    select 1 {query.source("r.customer_id = called.id")} limit 1) answered on true
  where called.word = named.word)
union
select w.word from (
  select r.claimed ->> 'name' as name, r.claimed ->> 'email' as email
  {query.source("r.claimed is not null")}) n
cross join lateral {words_in("n.name", "n.email")}
where w.word = any(cast({wanted} as text[]))"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    return {row.word for row in rows}
