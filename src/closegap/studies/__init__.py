"""Several runs: planned, trained, compared."""
