"""Sets whose rows can be judged: finite and unit-norm."""

from dataclasses import replace

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.row_norms import row_norms, unusable_row
from closegap.errors import DataError

_ROUNDED = 1e-3  # norms this close to 1 were stored in half precision; normalising them is no news


def unit_norm(embeddings: EmbeddingSet) -> tuple[EmbeddingSet, list[str]]:
    """The set with unit-norm rows in float32 or float64, and a note for each modality whose norms were changed.

    Raises:
        DataError: a present row that holds NaN, has an infinite norm or is zero.
    """
    rows, notes = {}, []
    for name, values in embeddings.embeddings.items():
        present = embeddings.mask(name)
        norms = row_norms(values)
        if bad := unusable_row(norms, present):
            raise DataError(f"{name} of row {bad[0]} (id '{embeddings.ids[bad[0]]}') {bad[1]}; leave the row out")
        off = torch.where(present, (norms - 1).abs(), 0.0)
        wide = values if values.dtype == torch.float64 else values.float()
        scale = torch.where(present, norms, 1.0)[:, None]
        rows[name] = wide if not len(off) or off.max() <= 1e-5 else (wide.double() / scale).to(wide.dtype)
        if changed := int((off > _ROUNDED).sum()):
            notes.append(f"{name}: {changed} of {int(present.sum())} rows were not unit-norm and were normalised.")
    return replace(embeddings, embeddings=rows), notes
