# SPDX-License-Identifier: Apache-2.0
"""After this interaction, send that survey: triggers, and the decisions they come to."""
