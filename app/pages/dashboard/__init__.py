# SPDX-License-Identifier: Apache-2.0
"""The dashboard: what a manager looks at, signed in by a mailed link or a key."""
