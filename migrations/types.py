# SPDX-License-Identifier: Apache-2.0
"""How the database's types and the models' are compared."""

from sqlalchemy import TEXT
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlmodel.sql.sqltypes import AutoString

from app.core.outbox import TransactionId

ischema_names["xid8"] = TransactionId


def type_differs(
    _context: object, _inspected: object, _column: object, db_type: object, model_type: object
) -> bool | None:
    """Take `text` for the models' unbounded strings; leave all else to Alembic."""
    return False if isinstance(db_type, TEXT) and isinstance(model_type, AutoString) else None
