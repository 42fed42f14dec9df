"""BLEU of a corpus, from counts per case that resample exactly."""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, Statistic, estimates
from closegap.metrics.captions.base import HEADING, CaptionMetric, Judged
from closegap.metrics.captions.pairs import Captions
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure

_ORDERS = 4
# pycocoevalcap's guards against division by zero; without them the two would differ where nothing matches
_SMALL, _TINY = 1e-9, 1e-15


def bleu_figure(n: int, tokenization: str) -> Figure:
    """The figure of BLEU-n with these tokens."""
    return Figure(
        f"bleu-{n}/{tokenization}",
        f"BLEU-{n} ({tokenization})",
        HEADING,
        "higher",
        meaning=f"Share of n-grams up to {n} words that the reference has, of the corpus; tokens: {tokenization}.",
        key=n == _ORDERS,
    )


class Bleu(CaptionMetric):
    """BLEU-1 to BLEU-4 of the corpus."""

    what = "BLEU"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `bleu_estimates`."""
        found = bleu_estimates(judged.captions, judged.groups, counts)
        figures = [bleu_figure(n, judged.captions.tokenization) for n in range(1, _ORDERS + 1)]
        return {figure: found[figure.name] for figure in figures}


def bleu_counts(captions: Captions) -> Float[Tensor, "n 10"]:
    """What BLEU needs to know of each case: sums of rows are the counts of a corpus.

    Columns: length of the generated caption; length of the reference nearest in length, the shorter of two; then for
    n = 1..4 the n-grams of the generated caption, and for n = 1..4 those that are in a reference, each counted at most
    as often as in the reference that has most of it.
    """
    pairs = zip(captions.generated, captions.references, strict=True)
    rows = [_counts(generated, references) for generated, references in pairs]
    return torch.tensor(rows, dtype=torch.float64)


def bleu_estimates(captions: Captions, groups: Int[Tensor, "n"], counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """BLEU-1 to BLEU-4 of the corpus, in [0, 1], with draws: the corpus score of each resample; higher is better.

    BLEU-N = min(1, exp(1 - r / c)) (p_1 ... p_N)^(1/N): p_n is the share of the generated n-grams that a reference
    has, c the length of all generated captions and r that of the references nearest in length. It is that of
    pycocoevalcap, which smooths nothing.

    Args:
        captions: generated captions and references.
        groups: the group of each case.
        counts: from `resample_counts`.

    Reference:
        Papineni et al., BLEU: a Method for Automatic Evaluation of Machine Translation, ACL 2002.
    """
    names = [f"bleu-{n}/{captions.tokenization}" for n in range(1, _ORDERS + 1)]
    return estimates(_statistic(bleu_counts(captions), names), groups, counts)


def _statistic(of_cases: Float[Tensor, "n 10"], names: list[str]) -> Statistic:
    def statistic(weights: Float[Tensor, "b n"]) -> dict[str, Float[Tensor, "b"]]:
        sums = weights @ of_cases
        length, reference, guessed, correct = torch.split(sums, [1, 1, _ORDERS, _ORDERS], dim=1)
        precision = (correct + _TINY) / (guessed + _SMALL)
        brevity = (1 - (reference + _SMALL) / (length + _TINY)).clamp(max=0).exp()
        scores = brevity * precision.cumprod(1) ** (1 / torch.arange(1, _ORDERS + 1, dtype=torch.float64))
        return dict(zip(names, scores.unbind(1), strict=True))

    return statistic


def _counts(generated: str, references: Sequence[str]) -> list[int]:
    words = generated.split()
    others = [reference.split() for reference in references]
    nearest = min((abs(len(other) - len(words)), len(other)) for other in others)[1]
    guessed, correct = [], []
    for n in range(1, _ORDERS + 1):
        mine = _ngrams(words, n)
        theirs: Counter[tuple[str, ...]] = Counter()
        for other in others:
            theirs |= _ngrams(other, n)
        guessed.append(mine.total())
        correct.append((mine & theirs).total())
    return [len(words), nearest, *guessed, *correct]


def _ngrams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))
