"""What an archive that is said to be de-identified gives away: how often its halves are joined again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.metrics.positives import paired, rows_of
from closegap.metrics.searched import counterpart_found
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.reference import archived_set, moved_set
from closegap.search.index import Index

LIMIT = 0.09
"""The share that regulators of clinical trials accept when data are published (EMA policy 0070, Health Canada)."""

_ASKING = 5000


@dataclass(frozen=True)
class Relinked:
    """How often an item finds its own counterpart first, mean of both directions.

    Args:
        pair: the two modalities.
        rate: from 0 to 1.
        chance: 1 / n, what guessing finds.
        cases: n, the cases that have both.
        asked: how many of them were searched for.
    """

    pair: tuple[str, str]
    rate: float
    chance: float
    cases: int
    asked: int

    @property
    def line(self) -> str:
        """In words."""
        of = "" if self.asked == self.cases else f", {self.asked:,} drawn ones searched for"
        return (
            f"re-linked {' and '.join(self.pair)}: {self.rate:.1%} of {self.cases:,} cases{of}; by chance "
            f"{self.chance:.2%}"
        )


def relinked(spaces: Sequence[EmbeddingSet], seed: int = 0) -> list[Relinked]:
    """For each two modalities, the highest rate over the spaces in which rows are published.

    Args:
        spaces: the same cases, raw and moved.
        seed: of the draw of who is searched for, of many.
    """
    found = []
    for pair in combinations(spaces[0].modalities, 2):
        rates, asked, n = [], 0, 0
        for space in spaces:
            x, y = paired(*(rows_of(space, name) for name in pair))
            n = len(x.cases)
            if n:
                asking = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:_ASKING]
                rates.append(float(counterpart_found(x, y, 1, asking).mean()))
                asked = len(asking)
        if rates:
            found.append(Relinked(pair, max(rates), 1 / n, n, asked))
    return found


@dataclass(frozen=True)
class Gate:
    """What may be published of an archive that was declared to be de-identified.

    Args:
        limit: the highest rate; None lets everything pass, and measures nothing.
        accepted: whether more is accepted.
        told: called with each rate before anything is refused.
    """

    limit: float | None = None
    accepted: bool = False
    told: Callable[[Relinked], None] = lambda _: None

    def expect(self, index: Index, modalities: Sequence[str], corrections: Corrections) -> None:
        """Refuse rows of which more is re-linked than may be, raw or moved.

        Raises:
            DataError: a rate above the limit that was not accepted.
        """
        if self.limit is None:
            return
        raw = archived_set(index, modalities)
        found = relinked([raw] if corrections.posthoc is None else [raw, moved_set(raw, corrections)])
        for one in found:
            self.told(one)
        over = max((one for one in found if one.rate > self.limit), key=lambda one: one.rate, default=None)
        if over is not None and not self.accepted:
            raise DataError(
                f"{over.line}, above the limit of {self.limit:.1%}: nothing is published; leave a modality out, or "
                "accept it with --accept-relinkage"
            )
