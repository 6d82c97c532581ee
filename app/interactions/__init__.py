# SPDX-License-Identifier: Apache-2.0
"""What happened, and to whom: interactions, tickets, customers, touchpoints, journeys."""
