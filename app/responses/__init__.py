"""What was answered: exactly-once ingest, rollups, reading and editing responses."""
