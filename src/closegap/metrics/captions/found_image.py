"""Whether a generated caption finds its own image: a score that needs no language model."""

from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.captions.base import CaptionMetric, Judged
from closegap.metrics.couple import Counts
from closegap.metrics.ranks import retrieval_ranks
from closegap.metrics.retrieval import across, retrieval_estimates

_SEARCH = replace(across("generated", "image"), headline=None)


class FoundImage(CaptionMetric):
    """The rank of the true image, searched from the generated caption."""

    what = "rank of the true image"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `found_image_estimates`."""
        if judged.embeddings is None:
            raise UsageError("needs embeddings of the generated captions and of the images, and none were given")
        return _SEARCH.measured(found_image_estimates(*judged.embeddings, judged.groups, counts))


def found_image_estimates(
    captions: Float[Tensor, "n d"], images: Float[Tensor, "n d"], groups: Int[Tensor, "n"], counts: Int[Tensor, "b g"]
) -> dict[str, Sampled]:
    """Retrieval of the true image by the generated caption's embedding, over all images: as `retrieval_estimates`.

    A captioner that says the same of every image scores chance, however well the sentence is chosen.

    Args:
        captions: unit rows, embeddings of the generated captions by the text tower of the aligned model.
        images: unit rows, the images in the same order.
        groups: the group of each case.
        counts: from `resample_counts`.

    Raises:
        UsageError: not one image for each caption.
    """
    found = retrieval_estimates(retrieval_ranks(captions, images), groups, counts)
    return {name: value for name, value in found.items() if name != "map"}  # mAP is MRR here
