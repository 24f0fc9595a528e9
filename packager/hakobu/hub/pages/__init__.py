"""The hub's pages: what the operator and the data scientist look at."""
