"""Following a channel: what a depot holds is fetched and believed only as The Update Framework allows."""
