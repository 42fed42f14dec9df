"""How much is measured, in words that a command line knows."""

from typing import Literal, TypeAlias

Extent: TypeAlias = Literal["quick", "tasks", "all"]

EXTENTS: dict[Extent, str] = {
    "quick": "gap and retrieval",
    "tasks": "mixed search and grouping too",
    "all": "probes, geometry, hubness too",
}
"""How much is measured, each with what those before it measure: seconds for the first; for all of them about a minute
for 10,000 pairs of 512 dimensions with labels on two cores."""
