# SPDX-License-Identifier: Apache-2.0
"""Tables with heavy traffic drop their foreign keys: nothing deletes a row that they reference."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_OF_SURVEY = "foreign key (workspace_id, survey_id) references survey (workspace_id, id)"
_OF_IMPORT = "foreign key (workspace_id, import_id) references import_run (workspace_id, id)"
_OF_WORKSPACE = "foreign key (workspace_id) references workspace (id)"
_DROPPED = (
    ("response", "fk_response_workspace_id_survey_id", _OF_SURVEY),
    ("rollup", "fk_response_workspace_id_survey_id", _OF_SURVEY),
    ("import_row", "fk_import_row_workspace_id", _OF_IMPORT),
    ("import_record", "fk_import_record_workspace_id", _OF_IMPORT),
    *(
        (table, f"fk_{table}_workspace_id", _OF_WORKSPACE)
        for table in ("customer", "decision", "inbound_event", "interaction", "order_name",
                      "ticket", "ticket_count", "write_back")
    ),
)  # fmt: skip


def upgrade() -> None:
    for table, name, _ in _DROPPED:
        op.execute(f"alter table {table} drop constraint if exists {name}")


def downgrade() -> None:
    for table, name, definition in _DROPPED:
        op.execute(f"alter table {table} add constraint {name} {definition}")
