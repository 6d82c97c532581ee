# SPDX-License-Identifier: Apache-2.0
"""What answers mean: the figures, their intervals, and where they are read from."""
