# SPDX-License-Identifier: Apache-2.0
"""The types of interactions that the product itself knows; senders may report others."""

from enum import StrEnum


class KnownType(StrEnum):
    """A type that our own sources send, or that tickets, orders and triggers depend on."""

    TICKET_OPENED = "ticket.opened"
    TICKET_REPLIED = "ticket.replied"
    TICKET_SOLVED = "ticket.solved"
    TICKET_CLOSED = "ticket.closed"
    TICKET_REOPENED = "ticket.reopened"
    TICKET_ON_HOLD = "ticket.on_hold"
    TICKET_DELETED = "ticket.deleted"
    TICKET_MERGED = "ticket.merged"
    ORDER_PLACED = "order.placed"
    ORDER_PAID = "order.paid"
    ORDER_FULFILLED = "order.fulfilled"
    ORDER_DELIVERED = "order.delivered"
    ORDER_EDITED = "order.edited"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_REFUNDED = "order.refunded"
    RECOVERY_RESOLVED = "recovery.resolved"


# What resolves a ticket.
RESOLVING_TYPES = frozenset({KnownType.TICKET_SOLVED, KnownType.TICKET_CLOSED})
# What ends a ticket without resolving it.
WITHDRAWING_TYPES = frozenset({KnownType.TICKET_DELETED, KnownType.TICKET_MERGED})
# What takes an order back.
ENDS_OF_ORDERS = frozenset({KnownType.ORDER_CANCELLED, KnownType.ORDER_REFUNDED})
