"""The command `afterword`."""
