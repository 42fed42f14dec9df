"""A metric in one file, as somebody outside writes it."""

import torch

from closegap.errors import UsageError
from closegap.metrics import Counts, Couple, Figure, Measured, Metric, estimates, weighted_means
from closegap.metrics.nearest import nearest

MUTUAL = Figure(
    name="mutual_nearest",
    label="Mutual nearest",
    heading="Agreement",
    direction="higher",
    unit="percent",
    meaning="Rows that are nearest to a row of their case, and it to them.",
    key=True,
    task=True,
)


class MutualNearest(Metric):
    """How often two modalities agree on who belongs together."""

    what = "mutual nearest"
    extent = "tasks"

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of every row of the first modality."""
        x, y = couple.x, couple.y
        if not len(x.cases) or not len(y.cases):
            raise UsageError("nothing to compare, as a modality has no rows")
        there = nearest(x.embeddings, y.embeddings, 1)[:, 0]
        back = nearest(y.embeddings, x.embeddings, 1)[:, 0]
        mutual = (back[there] == torch.arange(len(there))) & (y.cases[there] == x.cases)
        found = estimates(weighted_means({MUTUAL.name: mutual.double()}), x.groups, counts)
        return {MUTUAL: found[MUTUAL.name]}
