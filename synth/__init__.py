"""Records in -> Program and Example rows: mined, migrated, mutated."""
