"""The card of a captioner: every score that can be computed of its captions, and why the others could not."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.evaluation.card import Card, attempted
from closegap.evaluation.measures import Attempt, Counts, Measured
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.captions.bert import bert_score_estimates
from closegap.metrics.captions.bleu import bleu_estimates
from closegap.metrics.captions.concepts import concept_estimates, reference_concepts
from closegap.metrics.captions.diversity import diversity_estimates
from closegap.metrics.captions.found_image import found_image_estimates
from closegap.metrics.captions.imageclef import rouge_1_estimates
from closegap.metrics.captions.lexicon import Lexicon
from closegap.metrics.captions.meteor import meteor_estimates
from closegap.metrics.captions.overlap import cider_estimates, rouge_l_estimates
from closegap.metrics.captions.pairs import Captions, Tokenization, tokenized
from closegap.metrics.captions.spice import spice_estimates
from closegap.metrics.positives import codes
from closegap.models.weights import locate

Groups = Int[Tensor, "n"]


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

    def attempts() -> Iterator[Attempt]:
        yield "BLEU", partial(bleu_estimates, captions, group, counts)
        yield "ROUGE-L", partial(rouge_l_estimates, captions, group, counts)
        yield "CIDEr", partial(cider_estimates, captions, group, counts)
        yield from _of_java(captions, group, counts) if java else _without_java()
        yield "ROUGE-1", partial(rouge_1_estimates, generated, references, group, counts)
        yield "BERTScore", partial(_bert_score, generated, references, group, counts, bert_model)
        yield "concept F1, reference text", partial(_concepts, generated, references, None, lexicon, group, counts)
        yield "concept F1, case concepts", partial(_concepts, generated, None, concepts, lexicon, group, counts)
        yield "rank of the true image", partial(_found_image, embeddings, group, counts)
        yield "diversity", partial(diversity_estimates, generated, references, group, counts)

    return attempted(attempts())


def _of_java(captions: Captions, groups: Groups, counts: Counts) -> Iterator[Attempt]:
    yield "METEOR", partial(meteor_estimates, captions, groups, counts)
    yield "SPICE", partial(spice_estimates, captions, groups, counts)


def _without_java() -> Iterator[Attempt]:
    for name in ("METEOR", "SPICE"):
        yield name, partial(_refuse, "needs Java, which was not asked for")


def _refuse(reason: str) -> Measured:
    raise UsageError(reason)


def _bert_score(
    generated: Sequence[str], references: Sequence[Sequence[str]], groups: Groups, counts: Counts, model: str | None
) -> Measured:
    if model is None:
        raise UsageError("needs a language model, and none was given")
    return bert_score_estimates(generated, references, groups, counts, Path(locate(model)))


def _concepts(
    generated: Sequence[str],
    references: Sequence[Sequence[str]] | None,
    concepts: Sequence[Sequence[str]] | None,
    lexicon: Lexicon | None,
    groups: Groups,
    counts: Counts,
) -> Measured:
    """Against the concepts that the references name, or the case's own."""
    if lexicon is None:
        raise UsageError("needs a lexicon of the terms that name concepts, and none was given or could be learned")
    if references is not None:
        expected = reference_concepts(references, lexicon)
        return concept_estimates(generated, expected, lexicon, "reference_text", groups, counts)
    if concepts is None:
        raise UsageError("needs the concepts of the cases, and none were given")
    own = [frozenset(of_case) for of_case in concepts]
    return concept_estimates(generated, own, lexicon, "case_concepts", groups, counts)


def _found_image(
    embeddings: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None, groups: Groups, counts: Counts
) -> Measured:
    if embeddings is None:
        raise UsageError("needs embeddings of the generated captions and of the images, and none were given")
    return found_image_estimates(*embeddings, groups, counts)
