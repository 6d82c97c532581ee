"""Events out: webhook endpoints, signed deliveries, and the feed to pull."""
