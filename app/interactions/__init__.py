"""Floor 3: what happened, and to whom: customers, touchpoints, journeys."""
