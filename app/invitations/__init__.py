"""Asking one customer one survey over one channel; the mail."""
