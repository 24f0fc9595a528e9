"""The device: a state folder with trusted keys, installed bundles and the journal, and what is done with them."""
