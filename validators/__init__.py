"""Example in -> Verdict (execution sandbox); curation and splits -> Snapshot."""
