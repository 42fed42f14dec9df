"""Which metrics a command line asks for."""

from typing import Literal, TypeAlias

Metrics: TypeAlias = Literal["quick", "tasks", "all"]
METRICS_HELP = "quick: gap and retrieval; tasks: mixed search and grouping too; all: probes, geometry, hubness too"
