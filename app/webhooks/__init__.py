"""Our news out: subscribers' endpoints, signed deliveries, and the feed to pull."""
