"""Curation: what gets in, what is removed and why, and where it goes."""
