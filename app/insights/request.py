# SPDX-License-Identifier: Apache-2.0
"""An insight's query made definite, and the conditions that its filters mean."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.insights.kinds import KINDS, InsightName
from app.metrics.conditions import RequestConditions
from app.metrics.periods import Bound
from app.metrics.request import MetricRequest

# The reasons for which an insight is refused.
TOO_FEW, NOTHING_TAGGED, NO_OUTCOME = "too_few_answers", "nothing_tagged", "no_outcome"
NO_ORDERS, NO_CUSTOMERS = "no_orders", "no_customers"

InsightReply = dict[str, Any]
# A row or a part of a reply.
InsightRow = dict[str, Any]

RESPONSE_TOUCHPOINT = "nullif(r.touchpoint, '')"


def _day_of(bound: Bound) -> str:
    """Return the day of a bound: the seed ignores the time of day."""
    return str(bound)[: len("2026-12-31")]


@dataclass(frozen=True)
class InsightRequest:
    """Which answers an insight reads (`metric_request` has period, zone and filters), and how.

    `options` are the insight's own parameters.
    """

    insight: InsightName
    metric_request: MetricRequest
    options: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """The seed of every sample: the same question gives the same interval."""
        request = self.metric_request
        key = repr((
            str(self.insight), str(request.workspace.id), _day_of(request.span.start),
            _day_of(request.span.end), request.timezone,
            sorted(request.filters.items()), sorted(request.properties.items()), request.latest,
            sorted((k, str(value)) for k, value in self.options.items()),
        ))  # fmt: skip
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")


@dataclass(eq=False)
class InsightRefusal(Exception):
    """The data is not enough for an insight: why, how many answers it needs, and what to do.

    `about` holds the parts of the reply that are known anyway, such as its outcome.
    """

    reason: str
    detail: str
    n: int = 0
    needed_n: int | None = None
    about: InsightReply = field(default_factory=dict)

    def as_reply(self) -> InsightReply:
        """Return it as the reply holds it."""
        return {
            "reason": self.reason, "needed_n": self.needed_n, "n": self.n, "detail": self.detail,
        }  # fmt: skip


class ResponseQuery(RequestConditions):
    """The counted responses `r` that a request means, as the end of an SQL statement.

    `source()` is a FROM with its WHERE; `bound` are its values. With `count=latest_per_customer`
    only the latest response of each customer is there.

    A question may have a touchpoint of its own, which counts for its answers instead of the
    response's. The filters `question`, `touchpoint` and `stage` mean the tagged questions of
    drivers, pillars and modules, and the main question of the other insights.
    """

    def __init__(self, request: InsightRequest) -> None:
        """Translate the request's span and filters."""
        super().__init__(request.metric_request)
        self._of_tagged = KINDS[request.insight].tag is not None
        self.conditions += ["r.workspace_id = :workspace", "r.state = 'counted'"]
        self.narrow_to_span(self.request.span, "r.responded_at")
        self._narrow()

    def _narrow(self) -> None:
        filters = self.request.filters
        self.narrow_to_surveys("r.survey_id")
        for name in ("channel", "locale"):
            if values := filters.get(name):
                self.narrow_to_values(f"r.{name}", values)
        self._narrow_questions()
        self.narrow_to_properties("r.properties")

    def _narrow_questions(self) -> None:
        """Keep the responses of surveys whose questions the filters mean."""
        if question := self.question_sql("q.key"):
            self.conditions.append(f"r.survey_id in ({self._surveys(question)})")
        if own := self.touchpoint_sql("q.touchpoint"):
            elsewhere = self.touchpoint_sql(RESPONSE_TOUCHPOINT)
            if not self._of_tagged:
                surveys_sql = self._surveys("q.touchpoint is not null")
                elsewhere = f"{elsewhere} and r.survey_id not in ({surveys_sql})"
            self.conditions.append(f"(r.survey_id in ({self._surveys(own)}) or ({elsewhere}))")

    def _surveys(self, condition: str) -> str:
        main = "" if self._of_tagged else " and q.main"
        return (
            "select q.survey_id from question q where q.workspace_id = :workspace"
            f"{main} and {condition}"
        )

    def question_sql(self, key: str) -> str:
        """Return the condition that the filter `question` means a key; empty without one."""
        values = self.request.filters.get("question")
        return f"{key} = any({self.bind_texts(values)})" if values else ""

    def touchpoint_sql(self, touchpoint: str) -> str:
        """Return the condition that the filters mean a touchpoint; empty where none does."""
        conditions = []
        if keys := self.request.filters.get("touchpoint"):
            conditions.append(f"{touchpoint} = any({self.bind_texts(keys)})")
        if stages := self.request.filters.get("stage"):
            conditions.append(
                f"{touchpoint} in (select t.key from touchpoint t where "
                f"t.workspace_id = :workspace and t.stage = any({self.bind_texts(stages)}))"
            )
        return " and ".join(conditions)

    def condition(self, *more: str) -> str:
        """Return the condition that a response `r` is one of them and meets further conditions."""
        if self.request.latest:
            return f"r.id in (select r.id {self.source(*more)})"
        return self.where(*more)

    def source(self, *more: str) -> str:
        """Return `from … where …` of the responses, with further conditions."""
        conditions = self.where(*more)
        if not self.request.latest:
            return f"from response r where {conditions}"
        return (
            "from (select distinct on (coalesce(r.customer_id, r.id)) r.* from response r "
            f"where {conditions} order by coalesce(r.customer_id, r.id), r.responded_at desc, "
            "r.id desc) r where true"
        )
