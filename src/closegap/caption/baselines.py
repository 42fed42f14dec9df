"""Captions that cost nothing, which a decoder has to beat."""

from collections.abc import Sequence

from torch import Tensor

from closegap.caption.writer import CaptionWriter
from closegap.data import Case
from closegap.metrics.captions.baselines import most_frequent_caption, nearest_training_captions

NEAREST, FREQUENT = "nearest training caption", "most frequent training caption"


def baseline_captions(writer: CaptionWriter, train: Sequence[Case], cases: Sequence[Case]) -> dict[str, list[str]]:
    """Captions of the nearest training image by the image tower's features, and the most frequent caption."""
    image, text = writer.captioning.image, writer.captioning.text
    pairs = [case for case in train if case.views.get(image) and case.views.get(text)]
    captions = [case.views[text][0] for case in pairs]
    ends = [_first_features(writer, chosen) for chosen in (cases, pairs)]
    constant = most_frequent_caption([caption for case in pairs for caption in case.views[text]])
    return {NEAREST: nearest_training_captions(ends[0], ends[1], captions), FREQUENT: [constant] * len(cases)}


def _first_features(writer: CaptionWriter, cases: Sequence[Case]) -> Tensor:
    """Features of each case's first image: of the frozen tower where there is one, else shared embeddings."""
    image = writer.captioning.image
    split = writer.prepare(cases)
    features = split.views[image].features
    return (writer.embed_images(split) if features is None else features)[split.views[image].starts[:-1]]
