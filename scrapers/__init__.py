"""Documentation and packages in, records out: Release, Page, Symbol, Change."""
