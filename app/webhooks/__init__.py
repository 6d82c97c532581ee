# SPDX-License-Identifier: Apache-2.0
"""Events out: webhook endpoints, signed deliveries, and the feed to pull."""
