"""A Model Context Protocol server for assistants, over the same routes and keys."""
