# SPDX-License-Identifier: Apache-2.0
"""What every room uses: settings, database, embedded PostgreSQL, errors, ids, outbox, jobs."""
