"""The sandbox: programs in, verdicts out, behind a wall (`wall.py` says what it guarantees and what it does not)."""
