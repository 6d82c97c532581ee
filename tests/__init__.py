# SPDX-License-Identifier: Apache-2.0
"""Tests are claims about what a user would notice."""
