"""Floor 7: the only room with HTML, scripts and styles."""
