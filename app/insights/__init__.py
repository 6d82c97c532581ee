# SPDX-License-Identifier: Apache-2.0
"""Insights: what drives the score, whether bad experiences were repaired, what people say."""
