# SPDX-License-Identifier: Apache-2.0
"""The routers of all rooms, in the order in which their routes are matched and documented."""

from app.alerts import routes as alerts
from app.core import health
from app.delighted import routes as delighted
from app.exports import bi_role_routes, customer_data_routes, export_routes, odata_routes
from app.imports import routes as imports
from app.insights import routes as insights
from app.integrations import inbound_routes
from app.integrations import routes as integrations
from app.interactions import (
    customer_routes,
    interaction_routes,
    journey_routes,
    ticket_routes,
)
from app.invitations import routes as invitations
from app.metrics import routes as metrics
from app.pages import (
    assets,
    brand,
    demo_shop,
    digest_unsubscribe,
    docs,
    guides,
    invited_page,
    links,
    open_page,
    personal_data,
    widget_survey,
)
from app.pages.dashboard import (
    alert_pages,
    answer_pages,
    connection_pages,
    form_routes,
    insight_pages,
    people_pages,
    settings_pages,
    sign_in_routes,
    survey_editor,
    survey_pages,
    survey_preview,
    trigger_pages,
)
from app.pages.dashboard import routes as dashboard
from app.responses import routes as responses
from app.surveys import routes as surveys
from app.triggers import routes as triggers
from app.webhooks import routes as webhooks
from app.workspaces import audit_routes, member_routes, share_link_routes
from app.workspaces import routes as workspaces

ROUTERS = (
    health.routes,
    workspaces.routes,
    member_routes.routes,
    audit_routes.routes,
    surveys.routes,
    journey_routes.routes,
    interaction_routes.routes,
    ticket_routes.routes,
    customer_routes.routes,
    invitations.routes,
    triggers.routes,
    responses.routes,
    metrics.routes,
    insights.routes,
    alerts.routes,
    imports.routes,
    integrations.routes,
    inbound_routes.routes,
    webhooks.routes,
    customer_data_routes.routes,
    export_routes.routes,
    odata_routes.routes,
    bi_role_routes.routes,
    delighted.routes,
    docs.routes,
    sign_in_routes.routes,
    survey_editor.routes,
    survey_preview.routes,
    survey_pages.routes,
    answer_pages.routes,
    people_pages.routes,
    trigger_pages.routes,
    connection_pages.routes,
    settings_pages.routes,
    insight_pages.routes,
    form_routes.routes,
    share_link_routes.routes,
    dashboard.routes,
    alert_pages.routes,
    guides.routes,
    assets.routes,
    brand.routes,
    demo_shop.routes,
    widget_survey.routes,
    personal_data.routes,
    invited_page.routes,
    digest_unsubscribe.routes,
    open_page.routes,
    links.routes,
    links.pages,
)
