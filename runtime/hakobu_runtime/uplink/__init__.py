"""What goes home from a device, and the word that it came home: signed, and small enough for any stick or post."""
