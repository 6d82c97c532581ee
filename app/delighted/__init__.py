# SPDX-License-Identifier: Apache-2.0
"""Delighted's API as its clients call it, so that they run unchanged against this service."""
