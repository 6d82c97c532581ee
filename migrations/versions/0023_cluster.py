# SPDX-License-Identifier: Apache-2.0
"""What a cluster needs: workspace configs in a table of their own, and policies without look-ups.

In a cluster many writers cannot lock a row of a reference table at once, and a policy on a spread
table cannot query another table. On one PostgreSQL nothing changes.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_NOBODY = "language sql stable as 'select null::uuid'"
_TABLES = (
    "survey", "question", "touchpoint", "rollup", "response", "interaction", "ticket",
    "ticket_count", "invitation", "customer",
)  # fmt: skip
_LOOKED_UP = "(select a.workspace_id from bi_access a where a.role = current_user{})"


def upgrade() -> None:
    """Make the table and fill it; name the roles in functions, and let the policies ask those."""
    op.execute("""
    create table workspace_config (
      workspace_id uuid not null,
      config integer not null,
      configs jsonb not null,
      constraint pk_workspace_config primary key (workspace_id),
      constraint fk_workspace_config_workspace_id foreign key (workspace_id)
        references workspace (id)
    )
    """)
    op.execute("insert into workspace_config select id, config, configs from workspace")
    op.execute(f"create function bi_workspace() returns uuid {_NOBODY}")
    op.execute(f"create function bi_personal_workspace() returns uuid {_NOBODY}")
    for function, condition in (("bi_workspace", ""), ("bi_personal_workspace", "where personal")):
        op.execute(f"""
        do $do$ declare cases text; begin
          select string_agg(format('when %L then %L::uuid', role, workspace_id), ' ')
            into cases from bi_access {condition};
          if cases is not null then
            execute format('create or replace function {function}() returns uuid '
              'language sql stable as $f$ select case current_user %s end $f$', cases);
          end if;
        end $do$
        """)
    for table in _TABLES:
        mine = "bi_personal_workspace()" if table == "customer" else "bi_workspace()"
        op.execute(f"drop policy bi_workspace on {table}")
        op.execute(
            f"create policy bi_workspace on {table} for select using (workspace_id = {mine})"
        )
    op.execute("drop policy bi_workspace on workspace")
    op.execute("create policy bi_workspace on workspace for select using (id = bi_workspace())")


def downgrade() -> None:
    """Let the policies look the role up again."""
    for table in _TABLES:
        mine = _LOOKED_UP.format(" and a.personal" if table == "customer" else "")
        op.execute(f"drop policy bi_workspace on {table}")
        op.execute(
            f"create policy bi_workspace on {table} for select using (workspace_id = {mine})"
        )
    op.execute("drop policy bi_workspace on workspace")
    op.execute(
        f"create policy bi_workspace on workspace for select using (id = {_LOOKED_UP.format('')})"
    )
    op.execute("drop function bi_workspace()")
    op.execute("drop function bi_personal_workspace()")
    op.execute("drop table workspace_config")
