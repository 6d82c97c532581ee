# SPDX-License-Identifier: Apache-2.0
"""Afterword: a word from the customer right after an interaction, and exact figures from it."""
