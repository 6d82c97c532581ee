"""What answers mean: the figures, their intervals, and where they are read from."""
