# SPDX-License-Identifier: Apache-2.0
"""Invitations: ask one customer one survey over one channel; and the mails for it."""
