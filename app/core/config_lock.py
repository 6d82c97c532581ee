# SPDX-License-Identifier: Apache-2.0
"""The lock between the writers of a workspace and a change of its settings.

Writers take it as shared, a change exclusively and before the row's own lock. PostgreSQL serves
advisory locks in turn, so a steady stream of writers cannot starve a change.
"""


def config_lock_sql(workspace: str) -> str:
    """Return the SQL of the lock's key; `workspace` is the SQL of the workspace's id."""
    return f"hashtextextended(cast({workspace} as text), 7)"
