"""From somebody's table to a project that builds: what its columns hold, and the files that say so."""
