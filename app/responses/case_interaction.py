# SPDX-License-Identifier: Apache-2.0
"""SQL that finds the interaction which a response is about."""

from app.core.ids import derived_uuid_sql
from app.interactions.interaction_recorder import INTERACTION_NAMES


def interaction_id_sql(workspace: str, source: str, external_id: str) -> str:
    """Return the SQL of the id that an interaction of this source and external id has."""
    return derived_uuid_sql(f"{workspace}::text", f"'{INTERACTION_NAMES}'", source, external_id)


def case_interaction_sql(
    workspace: str, *, id_: str, source: str, ticket: str, order_ref: str
) -> str:
    """Return the SQL that selects the interaction of a case, all columns, or no row.

    It is the interaction named by its id, else the latest of the ticket, else the latest of the
    order. A ticket or order that two sources have matches only if the source is named. Each
    argument is an SQL expression.
    """
    return f"""select * from (
    select i.*, 1 as strength from interaction i where i.workspace_id = {workspace}
    and i.id = {id_}
    union all
    select i.*, 2 from interaction i where i.workspace_id = {workspace}
    and i.ticket = {ticket} and (i.source = {source} or {source} is null and not exists (
      select from interaction x where x.workspace_id = {workspace}
      and x.ticket = {ticket} and x.source <> i.source and not x.test))
    union all
    select i.*, 3 from interaction i where i.workspace_id = {workspace}
    and i.order_ref = {order_ref} and not exists (
      select from interaction x where x.workspace_id = {workspace}
      and x.order_ref = {order_ref} and x.order_source <> i.order_source and not x.test)
  ) i where not i.test order by i.strength, i.occurred_at desc limit 1"""
