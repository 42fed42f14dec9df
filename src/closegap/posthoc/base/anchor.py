"""The modality that stays where it is while the others are carried to it."""

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError


def anchor_of(train: EmbeddingSet, asked: str | None) -> str:
    """The modality asked for, or the first one.

    Raises:
        UsageError: a modality that the set lacks.
    """
    if asked is None:
        return train.modalities[0]
    if asked not in train.modalities:
        raise UsageError(f"anchor '{asked}'; expected one of {', '.join(train.modalities)}")
    return asked
