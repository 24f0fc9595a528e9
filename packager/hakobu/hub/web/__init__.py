"""The hub over HTTP: parcels come in, the depot goes out, people look."""
