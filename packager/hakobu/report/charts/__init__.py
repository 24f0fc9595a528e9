"""The pictures of a report, one module a question: each takes what was measured, and returns figures."""
