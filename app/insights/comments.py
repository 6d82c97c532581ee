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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.texts import language_of
from app.insights.comment_names import without_names
from app.insights.dictionaries import language_of_words, lemma_of, load_dictionaries
from app.insights.questions import SurveyQuestions, only_survey, select_comparable, surveys_of
from app.insights.request import (
    TOO_FEW,
    InsightRefusal,
    InsightReply,
    InsightRequest,
    InsightRow,
    ResponseQuery,
)
from app.interactions.erased_names import LETTER
from app.surveys.scales import HIGH_BANDS, LOW_BANDS

_MIN_COMMENTS, _MIN_PEOPLE = 20, 3
MAX_COMMENTS = 20_000
# So many answers practically always hold enough comments of both sides.
_MANY_ANSWERS = 50_000
_EXAMPLES = 3
# The weight of the prior, in words; the value that Monroe and others use.
_PRIOR_WEIGHT = 500.0
_SIDES = {"low": list(map(str, LOW_BANDS)), "high": list(map(str, HIGH_BANDS))}
# Who wrote a comment: the customer, else the person that a public respondent claims to be.
_PERSON = (
    "coalesce(r.customer_id::text, lower(r.claimed ->> 'email'), r.claimed ->> 'external_id', "
    "r.id::text)"
)
# A word is of letters; an apostrophe or a hyphen may join two parts of it.
_WORD = re.compile(rf"(?:{LETTER})+(?:['’-](?:{LETTER})+)*")
_CLAUSE = re.compile(r"[.,;:!?()\n]+")


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


async def find_comments(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Return the terms that tell the two sides apart, the clearest first."""
    surveys, warnings = select_comparable(
        await surveys_of(session, request), needed_n=_MIN_COMMENTS
    )
    default = language_of(request.metric_request.workspace.default_locale)
    comments = await _read_both_sides(session, request, surveys, warnings, default)
    sizes = Counter(comment.side for comment in comments)
    fewer = min(sizes["low"], sizes["high"])
    if fewer < _MIN_COMMENTS:
        detail = (
            f"There are {sizes['low']} comments of low scorers and {sizes['high']} of high "
            f"scorers; {_MIN_COMMENTS} of each are needed. Choose a longer period or "
            "fewer filters."
        )
        raise InsightRefusal(TOO_FEW, detail, n=fewer, needed_n=_MIN_COMMENTS)
    least = max(_MIN_PEOPLE, request.metric_request.workspace.min_group_size)
    rows, priors = await asyncio.to_thread(_compare, comments, default, least)
    tested = len(rows)
    side = request.options.get("side")
    if side is not None:
        rows = [row for row in rows if (row["z"] if side == "low" else -row["z"]) > 0]
    rows = await without_names(session, request, rows, sum(survey.n for survey in surveys))
    return {
        "survey": only_survey(surveys),
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
    surveys: Sequence[SurveyQuestions],
    warnings: list[str],
    default: str,
) -> list[Comment]:
    """Return the comments of both sides; warn where there are more than are read.

    The dictionaries are loaded while the database reads: of many answers at once, of fewer when
    the first side has enough comments.
    """
    comments: list[Comment] = []
    is_large = sum(survey.n for survey in surveys) >= _MANY_ANSWERS
    loading = _start_loading(default) if is_large else None
    try:
        for side in _SIDES:
            side_comments = await _read(session, request, [survey.id for survey in surveys], side)
            if len(side_comments) > MAX_COMMENTS:
                warnings.append(
                    f"Of the {side} scorers the newest {MAX_COMMENTS:,} comments are read."
                )
            comments += side_comments[:MAX_COMMENTS]
            if loading is None and len(comments) >= _MIN_COMMENTS:
                loading = _start_loading(default)
    finally:
        if loading is not None:
            await loading
    return comments


def _start_loading(default: str) -> asyncio.Task[None]:
    return asyncio.create_task(asyncio.to_thread(load_dictionaries, default))


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
            f"order by r.responded_at desc, r.id desc limit {MAX_COMMENTS + 1}"
        ).bindparams(**query.bound),
    )
    return [
        Comment(row.id, row.person, side, row.score, language_of(row.locale), row.comment)
        for row in rows
    ]


def _compare(
    comments: Sequence[Comment], default: str, least_people: int
) -> tuple[list[InsightRow], dict[str, float]]:
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


def _row(name: str, language: str, term: Term, z: float, sizes: Mapping[str, int]) -> InsightReply:
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
            math.log((count + prior) / (size + weight - count - prior))
            if size + weight > count + prior else math.inf
            for count, size in ((a, first), (b, second))
        ]  # fmt: skip
        delta = 0.0 if odds[0] == odds[1] else odds[0] - odds[1]
        z_scores[term] = delta / math.sqrt(1 / (a + prior) + 1 / (b + prior))
    return z_scores


def terms_of(words: str, language: str, default: str) -> tuple[str, dict[str, list[str]]]:
    """Return a comment's language and its one- and two-word terms, each with its words as written.

    Terms consist of lemmas, without stop words.
    """
    # NFC makes a letter and its accent one character, which the pattern matches.
    comment = unicodedata.normalize("NFC", words.lower())
    clauses = [_WORD.findall(clause) for clause in _CLAUSE.split(comment)]
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
