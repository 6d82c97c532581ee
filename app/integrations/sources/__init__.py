# SPDX-License-Identifier: Apache-2.0
"""One file a source: how its webhooks are signed, named and translated. Pure."""
