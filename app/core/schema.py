# SPDX-License-Identifier: Apache-2.0
"""What all tables share: constraint names, column types, and which tables belong to tenants."""

import datetime as dt
from typing import Any

from sqlalchemy import DateTime, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# Small tables that are copied to every node of a cluster; their keys may be unique globally.
REFERENCE = {"info": {"kind": "reference"}}
# Spread by workspace_id, which is first in every key.
TENANT = {"info": {"kind": "tenant"}}
# Tables on the coordinator: rows are claimed with SKIP LOCKED beside writes to tenant tables.
QUEUE = {"info": {"kind": "queue"}}


class Instant(TypeDecorator[dt.datetime]):
    """A moment, with its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True


class Json(TypeDecorator[Any]):
    """A JSON document (`jsonb`)."""

    impl = JSONB(none_as_null=True)
    cache_ok = True


Small = SmallInteger
