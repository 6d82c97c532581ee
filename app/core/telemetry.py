# SPDX-License-Identifier: Apache-2.0
"""Process metrics for Prometheus; every process of one service adds to the same numbers."""

import os
from functools import cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

from app.core.process_environment import METRICS_FOLDER_VARIABLE

if METRICS_FOLDER_VARIABLE in os.environ:
    # A process that has imported this does not fork: its number need not be asked for at each tick.
    # The library has no types here.
    _own = os.getpid()
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: _own)  # type: ignore[no-untyped-call]

REQUESTS = Histogram(
    "afterword_http_request_seconds",
    "HTTP requests and the time to answer them, by route and status.",
    ["route", "status"],
    buckets=(0.0025, 0.01, 0.05, 0.25, 1, 5),
)
ANSWERS = Counter("afterword_answers_total", "Submitted answers by outcome.", ["outcome"])
BATCH_SIZE = Histogram(
    "afterword_commit_answers",
    "Answers written by one commit.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)
REFUSED = Counter("afterword_refused_total", "Requests refused by reason.", ["reason"])
RECONNECTS = Counter("afterword_database_reconnects_total", "Lost database connections.", ["part"])
JOBS = Counter(
    "afterword_jobs_total", "Finished job attempts by kind and outcome.", ["kind", "outcome"]
)
JOBS_NOW = Gauge(
    "afterword_jobs_now", "Jobs now, by state.", ["state"], multiprocess_mode="mostrecent"
)
OLDEST_JOB = Gauge(
    "afterword_jobs_oldest_due_seconds",
    "How long the oldest due job waits.",
    multiprocess_mode="mostrecent",
)
DECISIONS = Counter("afterword_decisions_total", "Decisions of triggers.", ["outcome", "reason"])
INBOUND = Counter(
    "afterword_webhooks_in_total",
    "Webhooks received, by source and outcome.",
    ["source", "outcome"],
)
VOTES = Counter(
    "afterword_votes_total",
    "Answers of pages and the widget, by whether a person is known to have given them.",
    ["verdict"],
)
SILENT = Gauge(
    "afterword_integrations_silent",
    "Integrations that are silent for longer than they usually are.",
    multiprocess_mode="mostrecent",
)
DELIVERIES = Counter(
    "afterword_deliveries_total", "Attempts to deliver webhooks, by outcome.", ["outcome"]
)
DUE_DELIVERIES = Gauge(
    "afterword_deliveries_due", "Deliveries that are due now.", multiprocess_mode="mostrecent"
)
ENDPOINTS_NOW = Gauge(
    "afterword_endpoints_now",
    "Webhook endpoints, by state.",
    ["state"],
    multiprocess_mode="mostrecent",
)
MAILS = Counter("afterword_mails_total", "Mails by outcome.", ["outcome"])


@cache
def request_timer(route: str, status: int) -> Histogram:
    """Return the timer of one route and status; finding it anew would cost more than its tick."""
    return REQUESTS.labels(route, status)


def exposition() -> tuple[bytes, str]:
    """Return the metrics in Prometheus' text format, with their content type."""
    if METRICS_FOLDER_VARIABLE in os.environ:
        registry = CollectorRegistry()
        # The library has no types for it.
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(), CONTENT_TYPE_LATEST
