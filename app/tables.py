# SPDX-License-Identifier: Apache-2.0
"""All tables of the product, for migrations and for the tests of the schema's rules."""

from sqlmodel import SQLModel

from app.alerts.models import Alert
from app.core.audit import AuditEntry
from app.core.event_consumer import ConsumerCursor
from app.core.flags import ServiceFlag
from app.core.idempotency import Idempotency
from app.core.jobs import Job, Periodic
from app.core.outbox import Event
from app.exports.models import BiAccess, Erasure
from app.imports.models import ImportedRecord, ImportedRow, ImportRun, ImportUpload
from app.integrations.models import InboundEvent, Integration, OrderName, WriteBack
from app.interactions.models import (
    Customer,
    CustomerIdentity,
    ErasedName,
    Interaction,
    Journey,
    Ticket,
    TicketCount,
    Touchpoint,
)
from app.invitations.models import Invitation, Suppression
from app.responses.models import Response, Rollup
from app.surveys.models import QuestionEntry, Survey, SurveyLink, SurveyPreview, SurveyVersion
from app.triggers.models import Decision, Trigger
from app.webhooks.models import Delivery, WebhookEndpoint
from app.workspaces.models import (
    ApiKey,
    DashboardSession,
    Logo,
    Member,
    ShareLink,
    SignInLink,
    Workspace,
    WorkspaceConfig,
)

TABLES: tuple[type[SQLModel], ...] = (
    Workspace,
    WorkspaceConfig,
    ApiKey,
    Logo,
    Member,
    SignInLink,
    ShareLink,
    DashboardSession,
    Idempotency,
    AuditEntry,
    Survey,
    SurveyVersion,
    SurveyLink,
    SurveyPreview,
    QuestionEntry,
    Touchpoint,
    Journey,
    Customer,
    CustomerIdentity,
    ErasedName,
    Interaction,
    Ticket,
    TicketCount,
    Invitation,
    Suppression,
    Trigger,
    Decision,
    Integration,
    InboundEvent,
    OrderName,
    WriteBack,
    WebhookEndpoint,
    Delivery,
    Alert,
    Response,
    Rollup,
    ImportRun,
    ImportUpload,
    ImportedRow,
    ImportedRecord,
    Event,
    ConsumerCursor,
    Job,
    Periodic,
    BiAccess,
    Erasure,
    ServiceFlag,
)

metadata = SQLModel.metadata
