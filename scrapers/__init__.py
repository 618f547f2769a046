"""Documentation and packages in -> Release, Page, Symbol, Change."""
