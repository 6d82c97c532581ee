# SPDX-License-Identifier: Apache-2.0
"""Import files of answers, tickets and customers: first look at a file, then take its rows."""
