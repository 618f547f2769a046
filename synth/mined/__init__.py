"""`doc`, `test` and `text` rows: a library's own docs, tests and source, as programs with their checks and as text."""
