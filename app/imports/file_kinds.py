# SPDX-License-Identifier: Apache-2.0
"""The kinds of files beside answers: tickets and customers."""

from app.imports import customer_rows, ticket_rows
from app.imports.record_import import RecordWriter
from app.imports.record_writing import CustomerWriter, TicketWriter
from app.imports.records import FileKind


def _missing_ticket_column(targets: set[str]) -> str | None:
    if "id" not in targets:
        return "No column is the ticket's number; name it with `id`."
    if "event" in targets and "at" not in targets:
        return "No column is the time of the event; name it by `at`."
    if "event" not in targets and targets.isdisjoint({*ticket_rows.TIMES}):
        return (
            "No column is a time of the ticket; name `opened`, `first_reply`, `solved`, "
            "`reopened` or `closed`, or `event` and `at` of a file with one event a row."
        )
    return None


def _missing_customer_column(targets: set[str]) -> str | None:
    if targets.isdisjoint({"external_id", "email", "phone"}):
        return "No column is `external_id`, `email` or `phone`; say which it is with `map`."
    return None


FILE_KINDS: dict[str, FileKind] = {
    "tickets": FileKind(
        "tickets",
        ticket_rows.vocabulary,
        frozenset({*ticket_rows.TIMES, "at"}),
        _missing_ticket_column,
        lambda uses, options, dates: ticket_rows.TicketReader(
            uses, options.constants, options.source, dates, options.event_names
        ),
    ),
    "customers": FileKind(
        "customers",
        customer_rows.vocabulary,
        frozenset(),
        _missing_customer_column,
        lambda uses, options, _dates: customer_rows.CustomerReader(uses, options.constants),
    ),
}
WRITERS: dict[str, RecordWriter] = {"tickets": TicketWriter(), "customers": CustomerWriter()}
