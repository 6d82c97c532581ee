"""Tests are claims about what a user would notice."""
