"""Container images with a model inside, made of files alone: without a daemon, and without root."""
