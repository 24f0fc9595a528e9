"""Install kits: a model for PCs of another kind than this one, which have Python and no network."""
