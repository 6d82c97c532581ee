"""What the figures say by themselves: alerts when one leaves its course."""
