# SPDX-License-Identifier: Apache-2.0
"""Customers' names, which never stand among the words of comments."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.name_endings import MAX_ENDING_LETTERS, NOMINATIVES
from app.insights.request import InsightRequest, InsightRow, ResponseQuery
from app.interactions.erased_names import (
    ACCENTS,
    PLAIN_LETTERS,
    SPECIAL_LETTERS,
    find_erased_names,
    plain_words,
)

_MIN_NAME_CHARACTERS = 3
# Below this many answers only the names of the customers who gave them are read.
_FEW_ANSWERS = 50_000
# How German writes its umlauts without them.
_GERMAN = (("ae", "a"), ("oe", "o"), ("ue", "u"))


async def without_names(
    session: AsyncSession,
    request: InsightRequest,
    rows: Sequence[InsightRow],
    answers: int,
) -> list[InsightRow]:
    """Return the first rows of which no word occurs in a name or address of a customer.

    `answers` is the number of answers that the request means; it decides how customers are read.
    """
    limit = request.options["limit"]
    metric_request = request.metric_request
    is_few = answers < _FEW_ANSWERS and not (metric_request.filters or metric_request.properties)
    clean_rows: list[InsightRow] = []
    for chunk in _chunks(rows, max(limit, 100)):
        row_words = [name_forms(plain_words([row["term"], *row.pop("words")])) for row in chunk]
        words = sorted(set().union(*row_words))
        names = await _names_among(session, request, words, is_few=is_few)
        names |= await find_erased_names(session, metric_request.workspace.id, words)
        clean_rows += [
            row for row, words in zip(chunk, row_words, strict=True) if names.isdisjoint(words)
        ]
        if len(clean_rows) >= limit:
            break
    return clean_rows[:limit]


def name_forms(words: Iterable[str]) -> set[str]:
    """Return the names that words without accents may be forms of: themselves, and nominatives.

    A name is inflected in Polish and Romanian: `nowakiem` is Nowak, `mariei` is Maria.
    """
    written = set(words)
    for umlaut, plain in _GERMAN:
        written |= {word.replace(umlaut, plain) for word in written}
    forms = set(written)
    for word in written:
        for length in range(1, min(MAX_ENDING_LETTERS, len(word) - 1) + 1):
            stem, ending = word[:-length], word[-length:]
            forms |= {stem + nominative for nominative in NOMINATIVES.get(ending, ())}
    return {form for form in forms if len(form) >= _MIN_NAME_CHARACTERS} | written


def _chunks(rows: Sequence[InsightRow], size: int) -> Iterator[tuple[InsightRow, ...]]:
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

    Filters do not apply: a comment may name another customer, on any channel. With few answers
    only their customers are read. Otherwise all customers are, and then the answers of those
    whose name is one of the words.
    """
    query = ResponseQuery(_of_whole_period(request))
    words_sql = query.bind(list(words))
    accents, plain_letters = query.bind(SPECIAL_LETTERS + ACCENTS), query.bind(PLAIN_LETTERS)

    def words_in(name: str, email: str) -> str:
        return f"""regexp_split_to_table(
  translate(normalize(replace(lower(concat_ws(' ', {name}, {email})), 'ß', 'ss'), NFD),
    {accents}, {plain_letters}),
  '[^[:alpha:]]+') w(word)"""

    only_respondents_sql = (
        f"and c.id in (select r.customer_id {query.source('true')})" if is_few else ""
    )
    statement = f"""
with called as materialized (
  select c.id, w.word from customer c cross join lateral {words_in("c.name", "c.email")}
  where c.workspace_id = :workspace {only_respondents_sql}
  and w.word = any(cast({words_sql} as text[])))
select word from (select distinct word from called) named where exists (
  select 1 from called join lateral (
    select 1 {query.source("r.customer_id = called.id")} limit 1) answered on true
  where called.word = named.word)
union
select w.word from (
  select r.claimed ->> 'name' as name, r.claimed ->> 'email' as email
  {query.source("r.claimed is not null")}) n
cross join lateral {words_in("n.name", "n.email")}
where w.word = any(cast({words_sql} as text[]))"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    return {row.word for row in rows}
