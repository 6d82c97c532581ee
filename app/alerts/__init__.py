# SPDX-License-Identifier: Apache-2.0
"""Alerts: figures are watched, and an alert is raised when one shifts or passes a limit."""
