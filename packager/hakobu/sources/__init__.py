"""Models that were fitted elsewhere: read from their libraries' own files, and made to look like estimators."""
