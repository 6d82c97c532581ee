"""Afterword: a word from the customer right after an interaction, and exact figures from it."""
