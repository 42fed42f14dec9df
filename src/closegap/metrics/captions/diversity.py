"""How varied generated captions are: what tells a captioner from one that always says the same."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.captions.base import HEADING, CaptionMetric, Judged
from closegap.metrics.captions.pairs import paired
from closegap.metrics.captions.tokens import plain_tokens
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure

DISTINCT = Figure(
    "distinct_captions",
    "Distinct",
    HEADING,
    unit="percent",
    meaning="Different captions among all; next to 0 is a captioner that says one thing.",
    key=True,
)
MEAN_WORDS = Figure(
    "mean_words", "Words", HEADING, unit="count", meaning="Mean length of the captions in words.", key=True
)
MEAN_WORDS_OF_REFERENCES = replace(MEAN_WORDS, name="mean_words/reference", label="Words reference", key=False)


class Diversity(CaptionMetric):
    """How varied the captions are, and how long."""

    what = "diversity"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `diversity_estimates`."""
        found = diversity_estimates(judged.generated, judged.references, judged.groups, counts)
        return {figure: found[figure.name] for figure in (DISTINCT, MEAN_WORDS, MEAN_WORDS_OF_REFERENCES)}


def distinct_share(captions: Sequence[str]) -> float:
    """Distinct captions over captions, in (0, 1]; 1 / n is a captioner that says one thing.

    Example:
        >>> distinct_share(["a chest radiograph", "A chest radiograph.", "mri of the knee", "mri of the hip"])
        0.75
    """
    return len({" ".join(plain_tokens(caption)) for caption in captions}) / len(captions)


def diversity_estimates(
    generated: Sequence[str],
    references: Sequence[Sequence[str]],
    groups: Int[Tensor, "n"],
    counts: Int[Tensor, "b g"],
) -> dict[str, Sampled]:
    """Share of distinct captions, and mean length in words with that of the references; no direction is better.

    The share comes without draws: a resample repeats captions, and so would always find fewer distinct ones.
    """
    paired(generated, references)
    words = {
        MEAN_WORDS.name: _lengths([[caption] for caption in generated]),
        MEAN_WORDS_OF_REFERENCES.name: _lengths(references),
    }
    share = Sampled(distinct_share(generated), torch.empty(0))
    return {DISTINCT.name: share} | estimates(weighted_means(words), groups, counts)


def _lengths(captions: Sequence[Sequence[str]]) -> Float[Tensor, "n"]:
    """Mean number of words over the captions of each case."""
    means = [sum(len(plain_tokens(caption)) for caption in of_case) / len(of_case) for of_case in captions]
    return torch.tensor(means, dtype=torch.float64)
