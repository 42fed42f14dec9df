"""Data sets as people publish them."""
