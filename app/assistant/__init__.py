# SPDX-License-Identifier: Apache-2.0
"""A Model Context Protocol server for assistants, over the same routes and keys."""
