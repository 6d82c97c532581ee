# SPDX-License-Identifier: Apache-2.0
"""A trigger with its rules read, and what follows from them. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from app.core.durations import duration_of
from app.interactions.interaction_recorder import RecordedInteraction
from app.interactions.known_types import ENDS_OF_ORDERS, RESOLVING_TYPES, KnownType
from app.triggers.conditions import Condition
from app.triggers.models import Trigger
from app.triggers.schemas import TriggerRules
from app.workspaces.models import Workspace


@dataclass(frozen=True)
class CompiledTrigger:
    """A trigger with its rules read and their defaults filled in."""

    row: Trigger

    @cached_property
    def id(self) -> UUID:
        """The trigger's id."""
        return self.row.id

    @cached_property
    def once_per(self) -> str:
        """What it may ask about only once."""
        if self.rules.once_per is not None:
            return self.rules.once_per
        if self.row.on_type.startswith("order."):
            return "order"
        return "resolution" if self.row.on_type in RESOLVING_TYPES else "interaction"

    @cached_property
    def rules(self) -> TriggerRules:
        """The rules with their defaults."""
        return TriggerRules.model_validate(self.row.rules)

    @cached_property
    def where(self) -> list[Condition]:
        """What must hold."""
        return [condition.model_dump(exclude_unset=True) for condition in self.rules.where]

    @cached_property
    def unless(self) -> list[Condition]:
        """What must not hold as a whole."""
        return [condition.model_dump(exclude_unset=True) for condition in self.rules.unless]

    @cached_property
    def delay(self) -> dt.timedelta:
        """How long to wait."""
        return duration_of(self.rules.delay) or dt.timedelta()

    @cached_property
    def cancel_types(self) -> frozenset[str]:
        """What calls an invitation of this trigger off."""
        stated = self.rules.cancel_on
        if stated is not None:
            return frozenset(stated)
        if self.row.on_type in RESOLVING_TYPES:
            return frozenset({KnownType.TICKET_REOPENED})
        return ENDS_OF_ORDERS if self.row.on_type.startswith("order.") else frozenset()

    def throttle(self, workspace: Workspace) -> Mapping[str, Any] | None:
        """Return the trigger's throttle; the workspace's if the trigger does not set one."""
        if "throttle" in self.row.rules:
            stated: Mapping[str, Any] | None = self.row.rules["throttle"]
            return stated
        return workspace.throttle

    def once_key(self, interaction: RecordedInteraction) -> str:
        """Return the key under which this trigger may invite only once."""
        per = self.once_per
        if per == "resolution" and interaction.ticket:
            return f"resolution:{interaction.source}:{interaction.ticket}:{interaction.ordinal}"
        if per == "order" and interaction.order_ref:
            shop = f"{interaction.order_source}:" if interaction.order_source else ""
            return f"order:{shop}{interaction.order_ref}"
        if per == "customer" and interaction.customer_id:
            return f"customer:{interaction.customer_id}"
        return f"interaction:{interaction.id}"
