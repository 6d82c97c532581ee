"""Import files of answers, tickets and customers: first look at a file, then take its rows."""
