# SPDX-License-Identifier: Apache-2.0
"""The first schema: workspaces, surveys, responses with their rollups, events and jobs."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "event",
    "idempotency",
    "job",
    "periodic",
    "survey_link",
    "workspace",
    "api_key",
    "customer",
    "journey",
    "survey",
    "touchpoint",
    "customer_identity",
    "import_run",
    "question",
    "response",
    "rollup",
    "survey_version",
)

STATEMENTS = (
    """
    create table event (
      workspace_id uuid not null,
      xid xid8 not null,
      id uuid not null,
      type text not null,
      data jsonb not null,
      created_at timestamptz not null,
      constraint pk_event primary key (workspace_id, xid, id)
    )
    """,
    """
    create index ix_event_created_at
      on event (created_at)
    """,
    """
    create table idempotency (
      workspace_id uuid not null,
      route text not null,
      key_hash bytea not null,
      body_hash bytea not null,
      reply bytea,
      created_at timestamptz not null,
      constraint pk_idempotency primary key (workspace_id, route, key_hash)
    )
    """,
    """
    create index ix_idempotency_created_at
      on idempotency (created_at)
    """,
    """
    create table job (
      id uuid not null,
      workspace_id uuid not null,
      kind text not null,
      payload jsonb not null,
      dedupe text,
      run_at timestamptz not null,
      attempts integer not null,
      max_attempts integer not null,
      worker uuid,
      error text,
      dead_at timestamptz,
      created_at timestamptz not null,
      constraint pk_job primary key (id)
    )
    """,
    """
    create index ix_job_run_at
      on job (run_at)
      where dead_at is null
    """,
    """
    create unique index uq_job_dedupe
      on job (workspace_id, kind, dedupe)
      where dedupe is not null and dead_at is null
    """,
    """
    create table periodic (
      name text not null,
      due_at timestamptz not null,
      constraint pk_periodic primary key (name)
    )
    """,
    """
    create table survey_link (
      public_id text not null,
      workspace_id uuid not null,
      survey_id uuid not null,
      constraint pk_survey_link primary key (public_id)
    )
    """,
    """
    create table workspace (
      id uuid not null,
      key text not null,
      name text not null,
      default_locale text not null,
      allowed_origins jsonb not null,
      min_group_size integer not null,
      config integer not null,
      configs jsonb not null,
      recount jsonb,
      created_at timestamptz not null,
      constraint pk_workspace primary key (id),
      constraint uq_workspace_key unique (key)
    )
    """,
    """
    create table api_key (
      workspace_id uuid not null,
      id uuid not null,
      name text not null,
      scopes jsonb not null,
      hash bytea not null,
      hint text not null,
      old_hash bytea,
      old_until timestamptz,
      test boolean not null,
      survey text,
      rate_limit integer,
      bootstrap boolean not null,
      expires_at timestamptz,
      created_at timestamptz not null,
      constraint pk_api_key primary key (workspace_id, id),
      constraint uq_api_key_hash unique (hash),
      constraint uq_api_key_old_hash unique (old_hash),
      constraint fk_api_key_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create table customer (
      workspace_id uuid not null,
      id uuid not null,
      email text,
      name text,
      locale text,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_customer primary key (workspace_id, id),
      constraint fk_customer_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create table journey (
      workspace_id uuid not null,
      key text not null,
      name jsonb not null,
      steps jsonb not null,
      created_at timestamptz not null,
      constraint pk_journey primary key (workspace_id, key),
      constraint fk_journey_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create table survey (
      workspace_id uuid not null,
      id uuid not null,
      key text not null,
      name text not null,
      public_id text not null,
      status text not null,
      published_version smallint,
      latest_version smallint not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_survey primary key (workspace_id, id),
      constraint uq_survey_workspace_id_key unique (workspace_id, key),
      constraint fk_survey_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create table touchpoint (
      workspace_id uuid not null,
      key text not null,
      name jsonb not null,
      stage text,
      area text,
      online boolean,
      owner text,
      controlled boolean,
      declared boolean not null,
      created_at timestamptz not null,
      constraint pk_touchpoint primary key (workspace_id, key),
      constraint fk_touchpoint_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create table customer_identity (
      workspace_id uuid not null,
      kind text not null,
      value text not null,
      customer_id uuid not null,
      constraint pk_customer_identity primary key (workspace_id, kind, value),
      constraint fk_customer_identity_workspace_id_customer_id foreign key(workspace_id, customer_id)
        references customer (workspace_id, id) on delete cascade deferrable initially deferred
    )
    """,
    """
    create index ix_customer_identity_workspace_id_customer_id
      on customer_identity (workspace_id, customer_id)
    """,
    """
    create table import_run (
      workspace_id uuid not null,
      id uuid not null,
      survey_id uuid not null,
      name text not null,
      status text not null,
      lines_done integer not null,
      accepted integer not null,
      duplicates integer not null,
      rejected integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_import_run primary key (workspace_id, id),
      constraint fk_response_workspace_id_survey_id foreign key(workspace_id, survey_id)
        references survey (workspace_id, id)
    )
    """,
    """
    create table question (
      workspace_id uuid not null,
      survey_id uuid not null,
      key text not null,
      type text not null,
      scale text not null,
      high smallint not null,
      main boolean not null,
      recommends boolean not null,
      reverse boolean not null,
      driver text,
      pillar text,
      module text,
      touchpoint text,
      options jsonb not null,
      constraint pk_question primary key (workspace_id, survey_id, key),
      constraint fk_question_workspace_id_survey_id foreign key(workspace_id, survey_id)
        references survey (workspace_id, id) on delete cascade
    )
    """,
    """
    create table response (
      workspace_id uuid not null,
      id uuid not null,
      survey_id uuid not null,
      survey_version smallint not null,
      seq integer not null,
      channel text not null,
      touchpoint text not null,
      locale text not null,
      complete boolean not null,
      test boolean not null,
      state text not null,
      score smallint,
      band text,
      answers jsonb not null,
      scores jsonb not null,
      comment text,
      properties jsonb not null,
      customer_id uuid,
      claimed jsonb,
      order_ref text,
      ticket_ref text,
      interaction_ref jsonb,
      external_id text,
      tags jsonb not null,
      imported boolean not null,
      import_id uuid,
      follow_up text not null,
      follow_up_opened_at timestamptz,
      follow_up_closed_at timestamptz,
      assignee text,
      due_at timestamptz,
      notes jsonb not null,
      revisions jsonb not null,
      request_hash bytea,
      counted_as integer not null,
      responded_at timestamptz not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_response primary key (workspace_id, id),
      constraint fk_response_workspace_id_survey_id foreign key(workspace_id, survey_id)
        references survey (workspace_id, id)
    )
    """,
    """
    create index ix_response_workspace_id_created_at_id
      on response (workspace_id, created_at, id)
    """,
    """
    create index ix_response_workspace_id_customer_id_responded_at
      on response (workspace_id, customer_id, responded_at)
      where customer_id is not null
    """,
    """
    create index ix_response_workspace_id_follow_up_opened_at
      on response (workspace_id, follow_up_opened_at)
      where follow_up_opened_at is not null
    """,
    """
    create index ix_response_workspace_id_import_id
      on response (workspace_id, import_id)
      where import_id is not null
    """,
    """
    create index ix_response_workspace_id_order_ref
      on response (workspace_id, order_ref)
      where order_ref is not null
    """,
    """
    create index ix_response_workspace_id_state_responded_at
      on response (workspace_id, state, responded_at)
      where state not in ('counted', 'deleted')
    """,
    """
    create index ix_response_workspace_id_survey_id_responded_at
      on response (workspace_id, survey_id, responded_at)
    """,
    """
    create index ix_response_workspace_id_ticket_ref
      on response (workspace_id, ticket_ref)
      where ticket_ref is not null
    """,
    """
    create index ix_response_workspace_id_updated_at_id
      on response (workspace_id, updated_at, id)
    """,
    """
    create table rollup (
      workspace_id uuid not null,
      survey_id uuid not null,
      question text not null,
      segment text not null,
      local_date date not null,
      touchpoint text not null,
      channel text not null,
      locale text not null,
      value text not null,
      slot smallint not null,
      n0 integer not null,
      n1 integer not null,
      n2 integer not null,
      n3 integer not null,
      n4 integer not null,
      n5 integer not null,
      n6 integer not null,
      n7 integer not null,
      n8 integer not null,
      n9 integer not null,
      n10 integer not null,
      n_missing integer not null,
      n_na integer not null,
      constraint pk_rollup primary key (workspace_id, survey_id, question, segment, local_date, touchpoint, channel, locale, value, slot),
      constraint fk_response_workspace_id_survey_id foreign key(workspace_id, survey_id)
        references survey (workspace_id, id)
    )
     with (fillfactor = 70)
    """,
    """
    create table survey_version (
      workspace_id uuid not null,
      survey_id uuid not null,
      version smallint not null,
      definition jsonb not null,
      published_at timestamptz,
      constraint pk_survey_version primary key (workspace_id, survey_id, version),
      constraint fk_survey_version_workspace_id_survey_id foreign key(workspace_id, survey_id)
        references survey (workspace_id, id) on delete cascade
    )
    """,
)


def upgrade() -> None:
    """Make the tables, one statement at a time; spread them where there is a cluster."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables."""
    for table in reversed(TABLES):
        op.execute(f"drop table {table}")
