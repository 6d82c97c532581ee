"""Floor 1: settings, database, embedded PostgreSQL, errors, ids, signing, outbox, jobs, log."""
