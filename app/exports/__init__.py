# SPDX-License-Identifier: Apache-2.0
"""Exports for other tools (files, OData, BI logins), and one customer's timeline, copy, erasure."""
