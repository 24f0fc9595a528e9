"""The hub: the service that takes the counts of a fleet, merges them, judges them, and shows what came of it."""
