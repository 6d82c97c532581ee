# SPDX-License-Identifier: Apache-2.0
"""The made-up year of the demo: answers, orders, tickets. Pure, from a seed.

The data contains an effect for every page to show: moods rise over the year and fall in December,
waiting drives satisfaction and is rated worst, calling back improves the next rating, happy
customers order more, and each mood has typical words.
"""

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from app.interactions.known_types import KnownType
from app.surveys.question_types import (
    OptionAnswers,
    ScoreAnswers,
    TextAnswers,
    WordAnswer,
    WordAnswers,
    spec_of,
    traits_of,
)
from app.surveys.scales import scale_of
from app.surveys.schemas import Definition, Question

SEED = 20_260_101
_DAYS = 365
_CUSTOMERS = 900
COMMENTS = {
    "pl": (
        ("Szybka dostawa, dziękuję!", "Bardzo miła obsługa.", "Wszystko jasne i proste."),
        ("Za długo czekałem na odpowiedź.", "Paczka przyszła uszkodzona.", "Niejasny regulamin."),
    ),
    "ro": (
        ("Livrare rapidă, mulțumesc!", "Personal foarte amabil.", "Totul clar și simplu."),
        ("Am așteptat prea mult.", "Coletul a ajuns deteriorat.", "Condiții neclare."),
    ),
    "en": (
        ("Fast delivery, thank you!", "Very friendly staff.", "Clear and simple."),
        ("I waited too long for a reply.", "The parcel arrived damaged.", "Unclear terms."),
    ),
}
STORES = ("WAW-1", "KRK-2", "BUC-1", "CLJ-3")
AGENTS = ("Ewa", "Adam", "Ioana", "Radu")
QUALITY = {
    "advertising": 0.7, "product-page": 0.8, "checkout": 0.87, "delivery": 0.7, "support": 0.66,
}  # fmt: skip
# For each driver: how far its rating lies from the customer's mood, and the spread.
_DRIVERS = {
    "waiting": (-0.18, 0.10), "courtesy": (0.08, 0.22), "clarity": (0.02, 0.25),
    "quality": (0.05, 0.20), "understanding": (0.04, 0.22), "competence": (0.06, 0.22),
    "value": (-0.02, 0.18), "honesty": (0.05, 0.24),
}  # fmt: skip
# Survey, how often it is asked, and where.
_SURVEYS = (
    ("nps", 4, None), ("csat", 2, None), ("ces", 2, "support"), ("delivery", 4, "delivery"),
    ("support", 3, "support"), ("relationship", 3, None), ("pillars", 2, None), ("brand", 1, None),
)  # fmt: skip
# The share of orders and tickets about which a customer answers.
_SHARE_ANSWERED = 0.5
_TOUCHPOINT_OF = {key: touchpoint for key, _, touchpoint in _SURVEYS}


@dataclass
class DemoYear:
    """What happened: answers, and interactions of orders, tickets and calls, oldest first."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    interactions: list[dict[str, Any]] = field(default_factory=list)


def demo_year(now: dt.datetime, definitions: dict[str, Definition]) -> DemoYear:
    """Make the year up; the same seed gives the same year before the same moment."""
    chance = random.Random(SEED)  # noqa: S311 - made-up answers, no secret
    year = DemoYear()
    called: set[str] = set()
    mood_of: dict[str, float] = {}
    for days_ago in range(_DAYS, 0, -1):
        day = now - dt.timedelta(days=days_ago)
        for _ in range(chance.randint(6, 16)):
            customer = f"c-{chance.randint(1, _CUSTOMERS)}"
            mood = _mood(chance, day, days_ago, customer in called)
            answer = _answer(chance, day, definitions, customer, mood)
            year.answers.append(answer)
            mood_of[customer] = mood
            called.discard(customer)
            if mood < 0.5 and chance.random() < 0.45:
                called.add(customer)
                year.interactions.append(_call(answer, customer, len(year.interactions)))
        happened = _orders(chance, day, mood_of)
        happened += _ticket(chance, day, len(year.interactions))
        year.interactions += happened
        year.answers += _answers_about(chance, happened, definitions, mood_of)
    until = now.isoformat()
    year.answers = [answer for answer in year.answers if answer["responded_at"] < until]
    year.interactions = sorted(
        (body for body in year.interactions if body["occurred_at"] < until),
        key=lambda body: str(body["occurred_at"]),
    )
    return year


def _mood(chance: random.Random, day: dt.datetime, days_ago: int, was_called: bool) -> float:
    base = 0.7 + 0.15 * (1 - days_ago / _DAYS) - (0.1 if day.month == 12 else 0)
    base += 0.3 if was_called else 0
    return min(1.0, max(0.0, chance.gauss(base, 0.25)))


def _answer(
    chance: random.Random,
    day: dt.datetime,
    definitions: dict[str, Definition],
    customer: str,
    mood: float,
    *,
    survey: str | None = None,
) -> dict[str, Any]:
    if survey is None:
        survey = chance.choices(
            [name for name, _, _ in _SURVEYS], [count for _, count, _ in _SURVEYS]
        )[0]
    touchpoint = _TOUCHPOINT_OF[survey] or chance.choice(list(QUALITY))
    mood = min(1.0, max(0.0, mood + QUALITY[touchpoint] - 0.77))
    locale = chance.choices(("pl", "ro", "en"), (5, 3, 2))[0]
    answers = {
        question.key: answer
        for question in definitions[survey].questions
        if (answer := _answer_question(chance, question, mood, locale)) is not None
    }
    moment = day.replace(hour=0, minute=0) + dt.timedelta(minutes=chance.randint(8 * 60, 22 * 60))
    return {
        "survey": survey, "channel": chance.choices(("email", "web", "widget"), (4, 3, 3))[0],
        "answers": answers, "touchpoint": touchpoint, "locale": locale,
        "properties": {"store": chance.choice(STORES)} | (
            {"agent": chance.choice(AGENTS)} if touchpoint == "support" else {}
        ),
        "customer": {"external_id": customer}, "responded_at": moment.isoformat(),
    }  # fmt: skip


def _answers_about(
    chance: random.Random,
    happened: list[dict[str, Any]],
    definitions: dict[str, Definition],
    mood_of: dict[str, float],
) -> list[dict[str, Any]]:
    """Answer about some of the orders of a day, and about its ticket once it is solved."""
    answers = []
    ended = {body["ticket"]: body for body in happened if body["type"] == KnownType.TICKET_SOLVED}
    orders = [body for body in happened if body["type"] == KnownType.ORDER_PAID]
    for body in (*orders, *ended.values()):
        if chance.random() > _SHARE_ANSWERED:
            continue
        survey = "support" if "ticket" in body else "delivery"
        customer = body["customer"]["external_id"]
        mood = mood_of.get(customer, chance.gauss(0.75, 0.2))
        was_reopened = any(other["type"] == KnownType.TICKET_REOPENED for other in happened)
        answer = _answer(
            chance, dt.datetime.fromisoformat(body["occurred_at"]), definitions, customer,
            mood - (0.15 if survey == "support" and was_reopened else 0), survey=survey,
        )  # fmt: skip
        at = dt.datetime.fromisoformat(body["occurred_at"]) + dt.timedelta(hours=20)
        about = {"ticket": body["ticket"]} if "ticket" in body else {"order": body["order"]}
        answers.append(answer | about | {"responded_at": at.isoformat()})
    return answers


def _choose(chance: random.Random, question: Question, mood: float) -> str:
    """Choose an option in a mood between 0 and 1."""
    keys = [option.key for option in question.options]
    if question.driver == "told":
        # Unhappy customers tell more people.
        people = chance.gauss(1.5 if mood > 0.6 else 4.5, 2)
        return min(keys, key=lambda key: abs(int(key) - people))
    if question.driver == "heard":
        # Customers who had heard good things are in a better mood.
        opinion = chance.gauss(mood, 0.2)
        return "good" if opinion > 0.75 else "bad" if opinion < 0.45 else "nothing"
    if traits_of(question.type).has_valences:
        valence = 1 if mood > 0.65 else -1 if mood < 0.45 else 0
        fitting = [option.key for option in question.options if option.valence == valence]
        return chance.choice(fitting or keys)
    return chance.choice(keys)


def _answer_question(chance: random.Random, question: Question, mood: float, locale: str) -> Any:
    """Answer one question in a mood between 0 and 1; None leaves it open."""
    asked_for = spec_of(question.type).answers
    match asked_for:
        case TextAnswers():
            return _comment(chance, mood, locale)
        case WordAnswers(answers=answers):
            return _answer_by_word(answers, mood)
        case OptionAnswers(several=several):
            chosen = _choose(chance, question, mood)
            return [chosen] if several else chosen
        case ScoreAnswers():
            return _score(chance, question, mood)
        case _:
            assert_never(asked_for)


def _comment(chance: random.Random, mood: float, locale: str) -> str | None:
    good = mood > 0.6
    # Unhappy customers write more often.
    if chance.random() > (0.3 if good else 0.9):
        return None
    return chance.choice(COMMENTS[locale][0 if good else 1])


def _answer_by_word(answers: Sequence[WordAnswer], mood: float) -> bool | str:
    """Answer by the lowest word in the worse half of moods, and by higher ones in better moods."""
    by_score = sorted(answers, key=lambda answer: answer.score)
    step = sum(mood > 0.5 + 0.3 * number for number in range(len(by_score) - 1))
    return by_score[step].value


def _score(chance: random.Random, question: Question, mood: float) -> int:
    shift, spread = _DRIVERS.get(question.driver or "", (0.0, 0.0))
    if question.driver or question.pillar or question.module:
        mood = min(1.0, max(0.0, chance.gauss(mood + shift, spread or 0.15)))
    scale = scale_of(question.type, question.points)
    # A reversed question is good at its low end.
    height = 1 - mood if question.reverse else mood
    return scale.low + round(height * (scale.high - scale.low))


def _call(answer: dict[str, Any], customer: str, number: int) -> dict[str, Any]:
    at = dt.datetime.fromisoformat(answer["responded_at"]) + dt.timedelta(days=1)
    return {
        "type": KnownType.RECOVERY_RESOLVED, "source": "crm", "external_id": f"call-{number}",
        "customer": {"external_id": customer}, "occurred_at": at.isoformat(),
        "properties": {"agent": AGENTS[number % len(AGENTS)]},
    }  # fmt: skip


def _orders(
    chance: random.Random, day: dt.datetime, mood_of: dict[str, float]
) -> list[dict[str, Any]]:
    """Return the orders of a day: the happier a customer was, the likelier and the larger."""
    orders: list[dict[str, Any]] = []
    for customer, mood in list(mood_of.items()):
        if chance.random() < 0.001 + 0.006 * mood:
            number = f"{day:%m%d}-{customer}"
            amount = round(chance.lognormvariate(3.6 + 0.7 * mood, 0.5), 2)
            orders.append({
                "type": KnownType.ORDER_PAID, "source": "shop", "external_id": f"paid-{number}",
                "order": number, "customer": _customer_of(customer),
                "value": {"amount": f"{amount:.2f}", "currency": "EUR"},
                "touchpoint": "checkout", "properties": {"store": chance.choice(STORES)},
                "occurred_at": (day - dt.timedelta(minutes=chance.randint(1, 600))).isoformat(),
            })  # fmt: skip
    return orders


def _customer_of(customer: str) -> dict[str, str]:
    return {"external_id": customer, "email": f"{customer}@customers.example"}


def _ticket(chance: random.Random, day: dt.datetime, number: int) -> list[dict[str, Any]]:
    """Return the events of a day's ticket, where there is one: some are opened again."""
    if chance.random() < 0.25:
        return []
    opened = day - dt.timedelta(hours=chance.randint(1, 12))
    solved = opened + dt.timedelta(hours=chance.lognormvariate(2.2, 0.9))
    interactions = [
        (KnownType.TICKET_OPENED, opened),
        (KnownType.TICKET_REPLIED, opened + (solved - opened) / 4),
        (KnownType.TICKET_SOLVED, solved),
    ]
    if chance.random() < 0.12:
        again = solved + dt.timedelta(days=1)
        interactions += [
            (KnownType.TICKET_REOPENED, again),
            (KnownType.TICKET_SOLVED, again + dt.timedelta(hours=20)),
        ]
    customer = f"c-{chance.randint(1, _CUSTOMERS)}"
    agent, store = chance.choice(AGENTS), chance.choice(STORES)
    return [
        {
            "type": type_, "source": "helpdesk", "external_id": f"t-{number}-{position}",
            "ticket": str(1000 + number), "touchpoint": "support",
            "customer": _customer_of(customer), "occurred_at": at.isoformat(),
            "properties": {"agent": agent, "store": store},
        }
        for position, (type_, at) in enumerate(interactions)
    ]  # fmt: skip
