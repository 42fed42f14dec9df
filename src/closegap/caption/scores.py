"""Scores of captions of cases, as far as true ones are known."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from closegap.caption.card import caption_card
from closegap.caption.scoring import Scoring
from closegap.data import Case
from closegap.evaluation.card import Card
from closegap.metrics.captions.lexicon import Lexicon, learned_lexicon


def scored(
    generated: Sequence[str],
    cases: Sequence[Case],
    text: str,
    scoring: Scoring,
    lexicon: Lexicon | None,
    embeddings: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]],
) -> Card | None:
    """The card of captions of cases; None where not all of them have true ones.

    Args:
        generated: one caption per case.
        cases: what was captioned.
        text: the modality of the true captions.
        scoring: what is measured.
        lexicon: which terms name which concepts.
        embeddings: of the generated captions and of the images.
    """
    references = true_captions(cases, text)
    if not references:
        return None
    concepts = [case.concepts for case in cases]
    return caption_card(
        generated,
        references,
        [case.group for case in cases],
        lexicon=lexicon,
        concepts=concepts if any(concepts) else None,
        embeddings=embeddings,
        bert_model=scoring.bert_model,
        java=scoring.java,
        resamples=scoring.resamples,
    )


def true_captions(cases: Sequence[Case], text: str) -> list[Sequence[str]]:
    """The captions of each case; none at all where one case has none."""
    found: list[Sequence[str]] = [case.views.get(text, ()) for case in cases]
    return found if all(found) else []


def case_lexicon(train: Sequence[Case], text: str) -> Lexicon | None:
    """Terms of concepts, learned from the training captions of cases whose concepts are known."""
    known = [case for case in train if case.concepts and case.views.get(text)]
    if not known:
        return None
    return learned_lexicon([" ".join(case.views[text]) for case in known], [case.concepts for case in known])
