"""Rows that an LLM writes: tasks, conversations, repairs, migrations, bugs, and words for edits."""
