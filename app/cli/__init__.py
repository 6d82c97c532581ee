"""Floor 8: the command `afterword`."""
