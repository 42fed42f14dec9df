"""Whether generated captions name the concepts that they should."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.bootstrap import Sampled, Statistic, estimates
from closegap.metrics.captions.lexicon import Lexicon
from closegap.metrics.captions.pairs import paired


def reference_concepts(references: Sequence[Sequence[str]], lexicon: Lexicon) -> list[frozenset[str]]:
    """The concepts that the references of each case name between them."""
    return [frozenset().union(*(lexicon.named(caption) for caption in of_case)) for of_case in references]


def concept_estimates(
    generated: Sequence[str],
    expected: Sequence[frozenset[str]],
    lexicon: Lexicon,
    against: str,
    groups: Int[Tensor, "n"],
    counts: Int[Tensor, "b g"],
) -> dict[str, Sampled]:
    """Micro-averaged F1, precision and recall of the concepts in the generated captions, in [0, 1], with draws.

    Over all cases: concepts that the generated caption names and the case has, against those named and those had.
    Low precision is invention, low recall is silence. Expected concepts without a term in the lexicon are left out,
    since no caption could name them.

    Args:
        generated: one caption per case.
        expected: the concepts of each case: of its references (`reference_concepts`) or its own.
        lexicon: which terms name which concepts.
        against: what `expected` is, for the names of the scores.
        groups: the group of each case.
        counts: from `resample_counts`.

    Raises:
        UsageError: no case, sides of different length, or no expected concept has a term.
    """
    paired(generated, [sorted(concepts) or [""] for concepts in expected])
    known = [concepts & lexicon.known for concepts in expected]
    if not any(known):
        raise UsageError("no expected concept has a term in the lexicon; give a lexicon of the concepts of these cases")
    named = [lexicon.named(caption) for caption in generated]
    rows = [[len(mine & theirs), len(mine), len(theirs)] for mine, theirs in zip(named, known, strict=True)]
    statistic = _statistic(torch.tensor(rows, dtype=torch.float64), f"{against}/{lexicon.origin}")
    return estimates(statistic, groups, counts)


def _statistic(of_cases: Float[Tensor, "n 3"], suffix: str) -> Statistic:
    def statistic(weights: Float[Tensor, "b n"]) -> dict[str, Float[Tensor, "b"]]:
        both, named, expected = (weights @ of_cases).unbind(1)
        return {
            f"concept_f1/{suffix}": 2 * both / (named + expected),
            # Captions that name nothing have no precision, which is NaN, not 0.
            f"concept_precision/{suffix}": both / named,
            f"concept_recall/{suffix}": both / expected,
        }

    return statistic
