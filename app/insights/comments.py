# SPDX-License-Identifier: Apache-2.0
"""What low scorers talk about that high scorers do not, and the other way round.

Words are compared by their weighted log-odds with an informative Dirichlet prior (Monroe,
Colaresi and Quinn 2008, "Fightin' Words", equations 15, 20 and 22), within each language.
"""

import asyncio
import itertools
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.texts import language_of
from app.insights.dictionaries import language_of_words, lemma_of, load_dictionaries
from app.insights.questions import SurveyItems, select_comparable, surveys_of
from app.insights.request import TOO_FEW, InsightRefused, InsightRequest, Reply, ResponseQuery

_LEAST_COMMENTS, _LEAST_PEOPLE = 20, 3
MOST_COMMENTS = 20_000
_EXAMPLES = 3
# The weight of the prior, in words; the value that Monroe and others use.
_PRIOR_WEIGHT = 500.0
_SIDES = {
    "low": ["detractor", "dissatisfied", "hard"],
    "high": ["promoter", "satisfied", "easy"],
}
# Who wrote a comment: the customer, else the person that a public respondent claims to be.
_PERSON = (
    "coalesce(r.customer_id::text, lower(r.claimed ->> 'email'), r.claimed ->> 'external_id', "
    "r.id::text)"
)
# A word is of letters; an apostrophe or a hyphen may join two parts of it.
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CLAUSE = re.compile(r"[.,;:!?()\n]+")
# Accents, and letters that Unicode does not take apart.
_ACCENTS = "".join(map(chr, range(0x300, 0x370)))
# Greek ends a word with another form of its s.
_LETTERS, _SAME = "łđøς", "ldoσ"
_SHORTEST_NAME = 4
# Of fewer answers only the customers who gave them are looked through, not all.
_FEW_ANSWERS = 50_000
# The endings of names, without accents, and the nominatives' endings in their place.
_ENDINGS = {
    "pl": {
        "a": ("",), "u": ("",), "owi": ("",), "em": ("",), "iem": ("",), "ie": ("a", ""),
        "y": ("a",), "i": ("a",), "e": ("a",), "o": ("a",), "iego": ("i",), "iemu": ("i",),
        "im": ("i",), "iej": ("a",), "ej": ("a",), "ego": ("y",), "emu": ("y",), "ym": ("y",),
    },
    "ro": {"ei": ("a",), "iei": ("ia",), "ului": ("", "u"), "i": ("a", "e"), "ul": ("",)},
}  # fmt: skip
_PLAIN = str.maketrans(_LETTERS, _SAME, _ACCENTS)


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment with its side, the person who wrote it, its score and its page's language."""

    response: UUID
    person: str
    side: str
    score: int
    language: str
    words: str


@dataclass(slots=True)
class Term:
    """The use of one term: how many comments of each side, by which people, with which scores."""

    counts: Counter[str] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set)
    scores: int = 0
    words: set[str] = field(default_factory=set)
    example: str = ""
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, comment: Comment, words: Sequence[str]) -> None:
        """Count a comment that has the term, in these words."""
        self.words.update(words)
        self.example = self.example or words[0]
        self.counts[comment.side] += 1
        self.people.add(comment.person)
        self.scores += comment.score
        if len(self.examples[comment.side]) < _EXAMPLES:
            self.examples[comment.side].append(str(comment.response))


async def find_comments(session: AsyncSession, request: InsightRequest) -> Reply:
    """Return the terms that tell the two sides apart, the clearest first."""
    surveys, warnings = select_comparable(
        await surveys_of(session, request), needed_n=_LEAST_COMMENTS
    )
    default = language_of(request.metric_request.workspace.default_locale)
    comments = await _read_both_sides(session, request, surveys, warnings, default)
    sizes = Counter(comment.side for comment in comments)
    fewer = min(sizes["low"], sizes["high"])
    if fewer < _LEAST_COMMENTS:
        detail = (
            f"There are {sizes['low']} comments of low scorers and {sizes['high']} of high "
            f"scorers; {_LEAST_COMMENTS} of each are needed."
        )
        raise InsightRefused(TOO_FEW, detail, n=fewer, needed_n=_LEAST_COMMENTS)
    least = max(_LEAST_PEOPLE, request.metric_request.workspace.min_group_size)
    rows, priors = await asyncio.to_thread(_compare, comments, default, least)
    tested = len(rows)
    wanted = request.options.get("side")
    if wanted is not None:
        rows = [row for row in rows if (row["z"] > 0) == (wanted == "low")]
    is_few = sum(survey.n for survey in surveys) < _FEW_ANSWERS
    rows = await _without_names(session, request, rows, request.options["limit"], is_few=is_few)
    return {
        "survey": surveys[0].key if len(surveys) == 1 else None,
        "n": len(comments),
        "n_low": sizes["low"],
        "n_high": sizes["high"],
        "rows": rows,
        "assumptions": {
            "least_people": least, "prior_words": priors, "terms": tested,
            "z": "above 0: said more by low scorers; below 0: by high scorers",
        },
        "warnings": warnings,
    }  # fmt: skip


async def _read_both_sides(
    session: AsyncSession,
    request: InsightRequest,
    surveys: Sequence[SurveyItems],
    warnings: list[str],
    default: str,
) -> list[Comment]:
    """Return the comments of both sides; warn where there are more than are read.

    If the first side has enough, the dictionaries are loaded while the database reads the other.
    """
    comments: list[Comment] = []
    loading: asyncio.Task[None] | None = None
    try:
        for side in _SIDES:
            side_comments = await _read(session, request, [survey.id for survey in surveys], side)
            if len(side_comments) > MOST_COMMENTS:
                warnings.append(
                    f"Of the {side} scorers the newest {MOST_COMMENTS:,} comments are read."
                )
            comments += side_comments[:MOST_COMMENTS]
            if loading is None and len(comments) >= _LEAST_COMMENTS:
                loading = asyncio.create_task(asyncio.to_thread(load_dictionaries, default))
    finally:
        if loading is not None:
            await loading
    return comments


async def _read(
    session: AsyncSession, request: InsightRequest, surveys: Sequence[UUID], side: str
) -> list[Comment]:
    query = ResponseQuery(request)
    source = query.source(
        "r.comment is not null", "r.score is not null",
        f"r.band = any(cast({query.bind(_SIDES[side])} as text[]))",
        f"r.survey_id = any(cast({query.bind(list(surveys))} as uuid[]))",
    )  # fmt: skip
    rows = await run_sql(
        session,
        text(
            f"select r.id, {_PERSON} as person, r.score, r.locale, r.comment {source} "
            f"order by r.responded_at desc, r.id desc limit {MOST_COMMENTS + 1}"
        ).bindparams(**query.bound),
    )
    return [
        Comment(row.id, row.person, side, row.score, language_of(row.locale), row.comment)
        for row in rows
    ]


def _compare(
    comments: Sequence[Comment], default: str, least_people: int
) -> tuple[list[Reply], dict[str, float]]:
    """Return a row for each term that enough people say, the clearest first; pure.

    The second value has the words of the prior for each language.
    """
    by_language: dict[str, list[tuple[Comment, dict[str, list[str]]]]] = defaultdict(list)
    for comment in comments:
        language, terms = terms_of(comment.words, comment.language, default)
        by_language[language].append((comment, terms))
    sizes = Counter(comment.side for comment in comments)
    rows, priors = [], {}
    for language, language_comments in by_language.items():
        usage: dict[str, Term] = defaultdict(Term)
        for comment, comment_terms in language_comments:
            for name, words in comment_terms.items():
                usage[name].add(comment, words)
        counts = {name: (term.counts["low"], term.counts["high"]) for name, term in usage.items()}
        z_scores = log_odds(counts)
        priors[language] = prior_words_of(counts)
        rows += [
            _row(name, language, term, z_scores[name], sizes)
            for name, term in usage.items()
            if len(term.people) >= least_people
        ]
    return sorted(rows, key=lambda row: (-abs(row["z"]), row["term"])), priors


def _row(name: str, language: str, term: Term, z: float, sizes: Mapping[str, int]) -> Reply:
    low, high = term.counts["low"], term.counts["high"]
    return {
        "term": name, "locale": language, "n_low": low, "n_high": high,
        "share_low": 100 * low / sizes["low"], "share_high": 100 * high / sizes["high"], "z": z,
        "mean_score": term.scores / (low + high),
        "responses": term.examples["low" if z > 0 else "high"],
        "example": term.example, "words": term.words,
    }  # fmt: skip


def prior_words_of(counts: Mapping[str, tuple[int, int]]) -> float:
    """Return the weight of the prior, in words: it is never more than the words that there are."""
    return min(_PRIOR_WEIGHT, sum(a + b for a, b in counts.values()))


def log_odds(counts: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """Return each term's z-score: above 0 where the first side says it more.

    The prior of a term is its share among all words of both sides, times 500 words, or times all
    words if there are fewer.
    """
    first = sum(a for a, _ in counts.values())
    second = sum(b for _, b in counts.values())
    total = first + second
    weight = prior_words_of(counts)
    z_scores = {}
    for term, (a, b) in counts.items():
        prior = weight * (a + b) / total
        odds = [
            math.log((count + prior) / (whole + weight - count - prior))
            if whole + weight > count + prior else math.inf
            for count, whole in ((a, first), (b, second))
        ]  # fmt: skip
        delta = 0.0 if odds[0] == odds[1] else odds[0] - odds[1]
        z_scores[term] = delta / math.sqrt(1 / (a + prior) + 1 / (b + prior))
    return z_scores


def terms_of(words: str, language: str, default: str) -> tuple[str, dict[str, list[str]]]:
    """Return a comment's language and its one- and two-word terms, each with its words as written.

    Terms consist of lemmas, without stop words.
    """
    # NFC makes a letter and its accent one character, which the pattern matches.
    whole = unicodedata.normalize("NFC", words.lower())
    clauses = [_WORD.findall(clause) for clause in _CLAUSE.split(whole)]
    comment_language = language_of_words(
        [word for clause in clauses for word in clause], language, default
    )
    terms: dict[str, list[str]] = {}
    for clause in clauses:
        lemmas = [(lemma_of(word, comment_language), word) for word in clause]
        for lemma, word in lemmas:
            if lemma:
                terms[lemma] = [word]
        for (first, word), (second, next_word) in itertools.pairwise(lemmas):
            if first and second:
                terms[f"{first} {second}"] = [word, next_word]
    return comment_language, terms


async def _without_names(
    session: AsyncSession,
    request: InsightRequest,
    rows: Sequence[Reply],
    limit: int,
    *,
    is_few: bool,
) -> list[Reply]:
    """Return the first rows of which no word occurs in a name or address of a customer."""
    kept: list[Reply] = []
    for chunk in _chunks(rows, max(limit, 100)):
        row_words = [
            name_forms(_plain_words([row["term"], *row.pop("words")]), row["locale"])
            for row in chunk
        ]
        names = await _names_among(session, request, sorted(set().union(*row_words)), is_few=is_few)
        kept += [
            row for row, words in zip(chunk, row_words, strict=True) if names.isdisjoint(words)
        ]
        if len(kept) >= limit:
            break
    return kept[:limit]


def _plain_words(texts: Iterable[str]) -> set[str]:
    """Return the words of some texts without accents, as names are compared."""
    plain = unicodedata.normalize("NFD", " ".join(texts)).translate(_PLAIN)
    return set(re.findall(r"[^\W\d_]+", plain))


def name_forms(words: Iterable[str], language: str) -> set[str]:
    """Return the names that words without accents may be forms of: themselves, and nominatives.

    A name is inflected in Polish and Romanian: `nowakiem` is Nowak, `mariei` is Maria.
    """
    forms = set(words)
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


async def _names_among(
    session: AsyncSession, request: InsightRequest, words: Sequence[str], *, is_few: bool
) -> set[str]:
    """Return which words occur in the name or address of a customer who answered in the span.

    If the answers are few, only the customers who gave them are read. Otherwise all are, and the
    answers only of those who are called like a word.
    """
    query = ResponseQuery(request)
    wanted = query.bind(list(words))
    accents, same = query.bind(_LETTERS + _ACCENTS), query.bind(_SAME)

    def words_in(name: str, email: str) -> str:
        return f"""regexp_split_to_table(
  translate(normalize(lower(concat_ws(' ', {name}, {email})), NFD), {accents}, {same}),
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
