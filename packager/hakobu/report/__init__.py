"""What was built and what was seen, in words, tables and pictures."""
