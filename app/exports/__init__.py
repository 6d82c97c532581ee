# SPDX-License-Identifier: Apache-2.0
"""One customer's data from all rooms: what happened in time, a copy of all, and its erasure."""
