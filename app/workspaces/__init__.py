# SPDX-License-Identifier: Apache-2.0
"""Who may call: workspaces, API keys, scopes, limits."""
