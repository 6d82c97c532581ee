"""Who may call: workspaces, API keys, scopes, limits."""
