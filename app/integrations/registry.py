# SPDX-License-Identifier: Apache-2.0
"""The registry of sources, each with its adapter."""

from enum import StrEnum

from app.integrations.adapter import Adapter
from app.integrations.sources import (
    chatwoot,
    freshdesk,
    generic,
    helpscout,
    intercom,
    shopify,
    stripe,
    woocommerce,
    zammad,
    zendesk,
)


class SourceName(StrEnum):
    """The sources that have an adapter."""

    ZENDESK = "zendesk"
    FRESHDESK = "freshdesk"
    INTERCOM = "intercom"
    HELPSCOUT = "helpscout"
    CHATWOOT = "chatwoot"
    ZAMMAD = "zammad"
    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"
    STRIPE = "stripe"
    GENERIC = "generic"


ADAPTERS: dict[str, Adapter] = {
    SourceName.ZENDESK: zendesk.ADAPTER,
    SourceName.FRESHDESK: freshdesk.ADAPTER,
    SourceName.INTERCOM: intercom.ADAPTER,
    SourceName.HELPSCOUT: helpscout.ADAPTER,
    SourceName.CHATWOOT: chatwoot.ADAPTER,
    SourceName.ZAMMAD: zammad.ADAPTER,
    SourceName.SHOPIFY: shopify.ADAPTER,
    SourceName.WOOCOMMERCE: woocommerce.ADAPTER,
    SourceName.STRIPE: stripe.ADAPTER,
    SourceName.GENERIC: generic.ADAPTER,
}
