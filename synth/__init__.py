"""Records in -> Program and Example rows: mined, migrated, mutated, edited.

Four rooms make the rows, each named for what it makes. Here stand the entries, `generators` and `bugs`, above them, and
what they share below them.
"""
