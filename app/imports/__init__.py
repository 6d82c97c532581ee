"""Moving in: files of answers, tickets and customers, looked at first and then taken."""
