# SPDX-License-Identifier: Apache-2.0
"""The types of events, past tense and dotted, which rooms emit and subscribers name."""

from enum import StrEnum


class EventType(StrEnum):
    """What can happen, as subscribers name it; the outbox holds no event of another type."""

    RESPONSE_CREATED = "response.created"
    RESPONSE_UPDATED = "response.updated"
    RESPONSE_LOW_SCORE = "response.low_score"
    RESPONSE_COMPLETED = "response.completed"
    RESPONSE_DELETED = "response.deleted"
    INVITATION_SENT = "invitation.sent"
    INVITATION_OPENED = "invitation.opened"
    INVITATION_ANSWERED = "invitation.answered"
    INVITATION_BOUNCED = "invitation.bounced"
    INTERACTION_CREATED = "interaction.created"
    TICKET_RESOLVED = "ticket.resolved"
    TICKET_REOPENED = "ticket.reopened"
    FOLLOW_UP_UPDATED = "follow_up.updated"
    CUSTOMER_UNSUBSCRIBED = "customer.unsubscribed"
    CUSTOMER_ERASED = "customer.erased"
    ALERT_RAISED = "alert.raised"
    ALERT_CLEARED = "alert.cleared"
