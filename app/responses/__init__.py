"""Floor 5: what was answered: exactly-once ingest, rollups, reading and editing responses."""
