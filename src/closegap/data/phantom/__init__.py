"""Phantoms: generated chest studies, each a function of a seed and an index."""
