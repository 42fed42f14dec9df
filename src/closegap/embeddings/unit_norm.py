"""Sets whose rows can be judged: finite and unit-norm."""

from dataclasses import replace

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError

_BLOCK = 8192
_ROUNDED = 1e-3  # norms this close to 1 were stored in half precision; normalising them is no news


def unit_norm(embeddings: EmbeddingSet) -> tuple[EmbeddingSet, list[str]]:
    """The set with unit-norm rows in float32 or float64, and a note for each modality whose norms were changed.

    Raises:
        DataError: a present row that holds NaN, has an infinite norm or is zero.
    """
    rows, notes = {}, []
    for name, values in embeddings.embeddings.items():
        present = embeddings.mask(name)
        norms = torch.cat([block.double().norm(dim=1) for block in torch.split(values, _BLOCK)])
        bad = (present & (~norms.isfinite() | (norms == 0))).nonzero()[:, 0].tolist()
        if bad:
            norm = float(norms[bad[0]])
            what = "is zero" if norm == 0 else "has an infinite norm" if norm == torch.inf else "holds NaN"
            raise DataError(f"{name} of row {bad[0]} (id '{embeddings.ids[bad[0]]}') {what}; leave the row out")
        off = torch.where(present, (norms - 1).abs(), 0.0)
        wide = values if values.dtype == torch.float64 else values.float()
        scale = torch.where(present, norms, 1.0)[:, None]
        rows[name] = wide if not len(off) or off.max() <= 1e-5 else (wide.double() / scale).to(wide.dtype)
        if changed := int((off > _ROUNDED).sum()):
            notes.append(f"{name}: {changed} of {int(present.sum())} rows were not unit-norm and were normalised.")
    return replace(embeddings, embeddings=rows), notes
