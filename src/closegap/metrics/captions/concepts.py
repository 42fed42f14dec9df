"""Whether generated captions name the concepts that they should."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, Statistic, estimates
from closegap.metrics.captions.base import CaptionMetric, Judged
from closegap.metrics.captions.lexicon import Lexicon
from closegap.metrics.captions.pairs import paired
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure, words

Against: TypeAlias = Literal["reference_text", "case_concepts"]
"""What the concepts in a caption are compared with: those that the references name, or the case's own."""


def concept_figures(against: Against, origin: str) -> tuple[Figure, Figure, Figure]:
    """The figures of F1, precision and recall.

    Args:
        against: what the concepts are compared with.
        origin: of the lexicon.
    """
    of, suffix = words(against), f"{against}/{origin}"
    meaning = f"Concepts that captions name by {words(origin)} terms against those of the {of}."
    f1 = Figure(
        f"concept_f1/{suffix}",
        f"Concept F1, {of}",
        "Concepts in captions",
        "higher",
        meaning=meaning,
        key=True,
        headline=3 if against == "reference_text" else None,
    )
    precision = replace(
        f1,
        name=f"concept_precision/{suffix}",
        label=f"Concept precision, {of}",
        meaning="Named concepts that are right; low is invention.",
        key=False,
        headline=None,
        order=1,
    )
    recall = replace(
        precision,
        name=f"concept_recall/{suffix}",
        label=f"Concept recall, {of}",
        meaning="Concepts that are named; low is silence.",
        order=2,
    )
    return f1, precision, recall


class ConceptScores(CaptionMetric):
    """Whether captions name the concepts that they should.

    Args:
        against: what the concepts are compared with.
    """

    def __init__(self, against: Against) -> None:
        self.against: Against = against
        self.what = f"concept F1, {words(against)}"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `concept_estimates`."""
        if judged.lexicon is None:
            raise UsageError("needs a lexicon of the terms that name concepts, and none was given or could be learned")
        if self.against == "reference_text":
            expected = reference_concepts(judged.references, judged.lexicon)
        elif judged.concepts is None:
            raise UsageError("needs the concepts of the cases, and none were given")
        else:
            expected = [frozenset(of_case) for of_case in judged.concepts]
        found = concept_estimates(judged.generated, expected, judged.lexicon, self.against, judged.groups, counts)
        return {figure: found[figure.name] for figure in concept_figures(self.against, judged.lexicon.origin)}


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
