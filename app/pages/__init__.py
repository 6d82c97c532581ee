"""Survey pages, the widget and the dashboard: the only room with HTML, scripts and styles."""
