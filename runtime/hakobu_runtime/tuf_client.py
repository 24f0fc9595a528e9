"""The client command that TUF's conformance suite drives: the very updater that devices use."""
