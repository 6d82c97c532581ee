# SPDX-License-Identifier: Apache-2.0
"""Survey pages, the widget and the dashboard: the only room with HTML, scripts and styles."""
