"""The shapes everything speaks: embeddings by modality and which rows have them."""

from collections.abc import Mapping
from typing import TypeAlias

from jaxtyping import Bool, Float, Int
from torch import Tensor

Embeddings: TypeAlias = Mapping[str, Float[Tensor, "n d"]]
"""Modality name to unit-norm rows; row i is the same case in every modality. Absent rows are never read: they may hold
anything, NaN included, and touch neither values nor gradients."""

Present: TypeAlias = Mapping[str, Bool[Tensor, "n"]]
"""Modality name to the rows that have it; a modality without a key is present in every row."""

Groups: TypeAlias = Int[Tensor, "n"]
"""One number per row; rows of one number (an article, a patient) are not each other's negatives."""
