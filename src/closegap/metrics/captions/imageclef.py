"""ROUGE-1 as the ImageCLEFmedical caption task computes it."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.captions.base import HEADING, CaptionMetric, Judged
from closegap.metrics.captions.pairs import paired
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)

ROUGE_1 = Figure(
    "rouge-1/imageclef",
    "ROUGE-1 (ImageCLEF)",
    HEADING,
    "higher",
    meaning="Common words, as ImageCLEFmedical has it.",
    key=True,
    headline=1,
)


class Rouge1(CaptionMetric):
    """Common words, as ImageCLEFmedical counts them."""

    what = "ROUGE-1"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `rouge_1`."""
        found = rouge_1_estimates(judged.generated, judged.references, judged.groups, counts)
        return {ROUGE_1: found[ROUGE_1.name]}


def imageclef_tokens(caption: str) -> list[str]:
    """A caption's words as ImageCLEFmedical's ROUGE sees them.

    Lower case, every run of digits is "number", ASCII punctuation is deleted (so that "x-ray" is one word); what is
    left is cut at everything but a to z and digits.

    Example:
        >>> imageclef_tokens("A 2.5 cm mass on X-ray.")
        ['a', 'numbernumber', 'cm', 'mass', 'on', 'xray']
    """
    normal = re.sub(r"\d+", "number", caption.lower()).translate(_WITHOUT_PUNCTUATION)
    return re.findall(r"[a-z0-9]+", normal)


def rouge_1(generated: Sequence[str], references: Sequence[Sequence[str]]) -> Float[Tensor, "n"]:
    """ROUGE-1 of each case, in [0, 1]: F1 of the words of both as multisets, unstemmed; higher is better.

    1 where both captions are empty, as in the task, which has one reference a case; of several the best counts.

    Args:
        generated: one caption per case, as written.
        references: one or more per case, as written.

    Raises:
        UsageError: no case, a case without a reference, sides of different length.

    Reference:
        Rückert et al., Overview of ImageCLEFmedical 2023 - Caption Prediction and Concept Detection, CLEF 2023.
    """
    paired(generated, references)
    best = [
        max(_f1(caption, reference) for reference in of_case)
        for caption, of_case in zip(generated, references, strict=True)
    ]
    return torch.tensor(best, dtype=torch.float64)


def rouge_1_estimates(
    generated: Sequence[str],
    references: Sequence[Sequence[str]],
    groups: Int[Tensor, "n"],
    counts: Int[Tensor, "b g"],
) -> dict[str, Sampled]:
    """Mean of `rouge_1` with draws."""
    return estimates(weighted_means({ROUGE_1.name: rouge_1(generated, references)}), groups, counts)


def _f1(caption: str, reference: str) -> float:
    if not caption and not reference:
        return 1.0
    mine, theirs = Counter(imageclef_tokens(caption)), Counter(imageclef_tokens(reference))
    shared = (mine & theirs).total()
    return 2 * shared / (mine.total() + theirs.total()) if shared else 0.0
