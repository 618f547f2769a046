"""Snapshot in, adapter and report out: base models, SFT, preference tuning, evaluation and the gate."""
