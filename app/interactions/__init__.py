"""What happened, and to whom: interactions, tickets, customers, touchpoints, journeys."""
