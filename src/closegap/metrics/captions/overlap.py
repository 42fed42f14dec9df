"""ROUGE-L and CIDEr of captions: pycocoevalcap's scores per case, whose mean is that of the corpus."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.captions.base import HEADING, CaptionMetric, Judged
from closegap.metrics.captions.coco import coco
from closegap.metrics.captions.pairs import Captions
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure


def rouge_l_figure(tokenization: str) -> Figure:
    """The figure of ROUGE-L with these tokens."""
    meaning = f"Longest common subsequence; tokens: {tokenization}."
    return Figure(f"rouge-l/{tokenization}", f"ROUGE-L ({tokenization})", HEADING, "higher", meaning=meaning, key=True)


def cider_figure(tokenization: str) -> Figure:
    """The figure of CIDEr with these tokens."""
    return Figure(
        f"cider/{tokenization}",
        f"CIDEr ({tokenization})",
        HEADING,
        "higher",
        meaning=f"Likeness of n-grams, weighted by how few cases have them, 0 to 10; tokens: {tokenization}.",
        key=True,
        headline=2,
    )


class RougeL(CaptionMetric):
    """The longest common subsequence."""

    what = "ROUGE-L"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `rouge_l`."""
        figure = rouge_l_figure(judged.captions.tokenization)
        return {figure: rouge_l_estimates(judged.captions, judged.groups, counts)[figure.name]}


class Cider(CaptionMetric):
    """N-grams, weighted by how few cases have them."""

    what = "CIDEr"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `cider`."""
        figure = cider_figure(judged.captions.tokenization)
        return {figure: cider_estimates(judged.captions, judged.groups, counts)[figure.name]}


def rouge_l(captions: Captions) -> Float[Tensor, "n"]:
    """ROUGE-L of each case, in [0, 1]; higher is better.

    F = (1 + b^2) P R / (R + b^2 P) of the longest common subsequence, b = 1.2, with the best precision and the best
    recall over the references, as pycocoevalcap has it.

    Raises:
        MissingExtraError: pycocoevalcap is not installed.
        UsageError: no reference has a word.

    Reference:
        Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004.
    """
    return torch.from_numpy(coco("rouge.rouge").Rouge().compute_score(*captions.as_coco())[1]).double()


def cider(captions: Captions) -> Float[Tensor, "n"]:
    """CIDEr-D of each case, in [0, 10]; higher is better.

    Ten times the mean over n = 1..4 of the cosine of tf-idf weighted n-grams, clipped and damped by the difference in
    length, averaged over the references. A document is the set of references of a case, so the scores depend on all
    cases that are evaluated together.

    Raises:
        MissingExtraError: pycocoevalcap is not installed.
        UsageError: fewer than two cases, which leaves every n-gram without weight, or no reference has a word.

    Reference:
        Vedantam et al., CIDEr: Consensus-based Image Description Evaluation, CVPR 2015.
    """
    if len(captions.generated) < 2:
        raise UsageError("CIDEr weighs n-grams by how few cases have them, which needs two cases at least, got 1")
    return torch.from_numpy(coco("cider.cider").Cider().compute_score(*captions.as_coco())[1]).double()


def rouge_l_estimates(captions: Captions, groups: Int[Tensor, "n"], counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """Mean of `rouge_l` with draws."""
    return estimates(weighted_means({f"rouge-l/{captions.tokenization}": rouge_l(captions)}), groups, counts)


def cider_estimates(captions: Captions, groups: Int[Tensor, "n"], counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """Mean of `cider` with draws; document frequencies stay those of all cases."""
    return estimates(weighted_means({f"cider/{captions.tokenization}": cider(captions)}), groups, counts)
