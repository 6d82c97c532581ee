"""Insights: what drives the score, whether bad experiences were repaired, what people say."""
