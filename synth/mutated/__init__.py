"""How `bug`, `syntax` and `locate` rows come about: proven programs with a mistake in them."""
