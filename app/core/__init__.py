"""What every room uses: settings, database, embedded PostgreSQL, errors, ids, outbox, jobs."""
