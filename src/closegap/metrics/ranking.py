"""The figures of a search: recall among the first k, median rank, mean reciprocal rank, mean average precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from closegap.metrics.bootstrap import Sampled
from closegap.metrics.figure import Figure

KS = (1, 5, 10)
"""The K of every R@K."""


@dataclass(frozen=True)
class Search:
    """Who looks for what where, in the words of a report.

    Args:
        name: what the names of its figures begin with: `image_to_text`.
        heading: what they stand under.
        context: what their labels need before them where they stand without the heading.
        recall: what R@K says; "{k}" stands for the K.
        target: what is looked for.
        targets: over what precision is averaged: `of the case`.
        key: the K whose R@K stand in every table.
        task: its figures stand on the frontier.
        headline: that of R@10, see `Figure`.
        order: of the ranks under the heading, where other figures come between recall and them.
    """

    name: str
    heading: str
    context: str
    recall: str
    target: str
    targets: str
    key: Sequence[int] = (10,)
    task: bool = True
    headline: int | None = None
    order: int = 0

    def recall_at(self, k: int) -> Figure:
        """Whether something that is looked for is among the first k."""
        return Figure(
            f"{self.name}/R@{k}",
            f"R@{k}",
            self.heading,
            "higher",
            "percent",
            self.recall.format(k=k),
            self.context,
            key=k in self.key,
            task=self.task,
            headline=self.headline if k == KS[-1] else None,
        )

    def recall_by_chance(self, k: int) -> Figure:
        """What R@K is in a random order."""
        return Figure(
            f"{self.name}/R@{k}/chance",
            f"R@{k} by chance",
            self.heading,
            unit="percent",
            meaning="What a random order of the gallery scores.",
            context=self.context,
        )

    def measured(self, found: Mapping[str, Sampled]) -> dict[Figure, Sampled]:
        """Each figure with its value, of what `retrieval_estimates` gives."""
        at = replace(self.recall_at(KS[-1]), unit="decimal", key=False, headline=None, order=self.order)
        ranks = {
            "median_rank": replace(
                at,
                label="Median rank",
                direction="lower",
                unit="count",
                meaning=f"Median rank of the {self.target}.",
            ),
            "mrr": replace(at, label="MRR", meaning=f"Mean of 1 / rank of the {self.target}."),
            "map": replace(at, label="mAP", meaning=f"Mean average precision {self.targets}."),
        }
        figures: dict[str, Figure] = {}
        for k in KS:
            figures |= {f"R@{k}": self.recall_at(k), f"R@{k}/chance": self.recall_by_chance(k)}
        figures |= {name: replace(figure, name=f"{self.name}/{name}") for name, figure in ranks.items()}
        return {figure: found[name] for name, figure in figures.items() if name in found}
