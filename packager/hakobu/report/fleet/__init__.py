"""What the counts of a fleet say, for people: a few lines for a terminal, and a page."""
