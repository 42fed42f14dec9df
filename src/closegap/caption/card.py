"""The card of a captioner: every score that can be computed of its captions, and why the others could not."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from closegap.errors import UsageError
from closegap.evaluation.card import Card, attempted
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.captions.base import CaptionMetric, Judged
from closegap.metrics.captions.bert import BertScore
from closegap.metrics.captions.bleu import Bleu
from closegap.metrics.captions.concepts import ConceptScores
from closegap.metrics.captions.diversity import Diversity
from closegap.metrics.captions.found_image import FoundImage
from closegap.metrics.captions.imageclef import Rouge1
from closegap.metrics.captions.lexicon import Lexicon
from closegap.metrics.captions.meteor import Meteor
from closegap.metrics.captions.overlap import Cider, RougeL
from closegap.metrics.captions.pairs import Tokenization, tokenized
from closegap.metrics.captions.spice import Spice
from closegap.metrics.positives import codes
from closegap.models.weights import locate


def caption_card(
    generated: Sequence[str],
    references: Sequence[Sequence[str]],
    groups: Sequence[str],
    *,
    tokenization: Tokenization = "plain",
    lexicon: Lexicon | None = None,
    concepts: Sequence[Sequence[str]] | None = None,
    embeddings: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
    bert_model: str | None = None,
    java: bool = True,
    resamples: int = 1000,
) -> Card:
    """The card of captions; cards of the same cases and groups are paired by resample.

    Args:
        generated: one caption per case, as written; "" where nothing was generated.
        references: one or more per case, as written.
        groups: the article or patient of each case, which the bootstrap resamples.
        tokenization: of BLEU, ROUGE-L, CIDEr, METEOR and SPICE.
        lexicon: which terms name which concepts.
        concepts: the concepts of each case, from elsewhere than its captions.
        embeddings: of the generated captions and of the images, unit rows of the shared space.
        bert_model: the directory of a transformers model, or `package:<package>/<path inside it>`.
        java: compute METEOR and SPICE, which take some seconds to start.
        resamples: of the bootstrap by group.

    Raises:
        UsageError: captions, references and groups that do not pair; "ptb" tokens asked for, and no Java.
        MissingExtraError: "ptb" tokens asked for, and no pycocoevalcap.

    Example:
        >>> card = caption_card(["a chest x-ray", "knee mri"], [["chest x-ray"], ["mri of the knee"]], ["a", "b"])
        >>> card.metrics["rouge-1/imageclef"].value, card.metrics["distinct_captions"].value
        (0.7333333333333334, 1.0)
    """
    captions = tokenized(generated, references, tokenization)
    if len(groups) != len(generated):
        raise UsageError(f"{len(generated)} captions and the groups of {len(groups)} cases; give one each")
    group = codes(groups)
    counts = resample_counts(int(group.max()) + 1, resamples)

    judged = Judged(generated, references, captions, group, lexicon, concepts, embeddings, java)
    metrics: tuple[CaptionMetric, ...] = (
        FoundImage(),
        Bleu(),
        RougeL(),
        Cider(),
        Meteor(),
        Spice(),
        Rouge1(),
        BertScore(None if bert_model is None else Path(locate(bert_model))),
        ConceptScores("reference_text"),
        ConceptScores("case_concepts"),
        Diversity(),
    )
    return attempted((metric.what, partial(metric.measure, judged, counts)) for metric in metrics)
