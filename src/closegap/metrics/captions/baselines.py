"""Captioners that know nothing of the language: what a decoder has to beat."""

from collections import Counter
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.metrics.nearest import nearest


def nearest_training_captions(
    test: Float[Tensor, "n d"], train: Float[Tensor, "m d"], captions: Sequence[str]
) -> list[str]:
    """For each test image the caption of the training image with the highest cosine; the first of equals.

    Args:
        test: features of the test images, of any norm.
        train: features of the training images by the same tower.
        captions: the caption of each training image.

    Raises:
        UsageError: no training image, or captions that do not pair with them.
    """
    if len(train) != len(captions) or not captions:
        raise UsageError(f"{len(train)} training images and {len(captions)} captions; give one caption per image")
    found = nearest(normalize(test, dim=1), normalize(train, dim=1), 1).squeeze(1)
    return [captions[row] for row in found.tolist()]


def most_frequent_caption(captions: Sequence[str]) -> str:
    """The caption that occurs most often, the first of equals: the whole of what a constant captioner can learn.

    Raises:
        UsageError: no caption.

    Example:
        >>> most_frequent_caption(["knee mri", "chest x-ray", "chest x-ray"])
        'chest x-ray'
    """
    if not captions:
        raise UsageError("there is no training caption to be the most frequent; give one at least")
    return Counter(captions).most_common(1)[0][0]
