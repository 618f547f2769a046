"""`edit` and `fim` rows: proven programs before a change that is asked for, and with gaps."""
