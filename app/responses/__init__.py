# SPDX-License-Identifier: Apache-2.0
"""What was answered: exactly-once ingest, rollups, reading and editing responses."""
