"""Floor 2: who may call: workspaces, API keys, scopes, limits."""
