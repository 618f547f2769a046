"""`drift` and `preference` rows: what a Change means for code that calls the library, proposed, tried and worded."""
