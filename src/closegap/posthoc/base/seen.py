"""Which rows a method was fitted on, remembered as digests so that applying it to them can be refused."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.embeddings.embedding_set import ROW_NUMBERED, EmbeddingSet


@dataclass(frozen=True)
class Seen:
    """64-bit digests of the ids and of the contents of the fitted rows; neither can be read back.

    Two sets share a case when they share an id. Where the ids of either set are mere row numbers they say nothing, and
    a case is shared when every embedding of its row is, bit for bit.

    Args:
        ids: digests of the ids, sorted.
        contents: digests of the rows' embeddings, sorted.
        row_numbered: whether the ids are row numbers.
    """

    ids: Int[Tensor, "k"]
    contents: Int[Tensor, "n"]
    row_numbered: bool

    @classmethod
    def of(cls, embeddings: EmbeddingSet) -> "Seen":
        """What to remember of `embeddings`."""
        return cls(
            ids=torch.unique(_ids(embeddings)),
            contents=torch.unique(_contents(embeddings)),
            row_numbered=_row_numbered(embeddings),
        )

    def rows(self, embeddings: EmbeddingSet) -> Sequence[int]:
        """The rows of `embeddings` that were seen."""
        if self.row_numbered or _row_numbered(embeddings):
            shared = torch.isin(_contents(embeddings), self.contents)
        else:
            shared = torch.isin(_ids(embeddings), self.ids)
        found: list[int] = shared.nonzero()[:, 0].tolist()
        return found


def _row_numbered(embeddings: EmbeddingSet) -> bool:
    return bool(embeddings.meta.get(ROW_NUMBERED, False))


def _ids(embeddings: EmbeddingSet) -> Int[Tensor, "n"]:
    return _int64([_digest(name.encode()) for name in embeddings.ids])


def _contents(embeddings: EmbeddingSet) -> Int[Tensor, "n"]:
    names = sorted(embeddings.modalities)
    arrays = [embeddings.embeddings[name].float().numpy() for name in names]
    masks = [embeddings.mask(name).tolist() for name in names]
    return _int64(
        [
            _digest(*(array[row].tobytes() if mask[row] else b"" for array, mask in zip(arrays, masks, strict=True)))
            for row in range(len(embeddings.ids))
        ]
    )


def _int64(digests: Sequence[bytes]) -> Int[Tensor, "n"]:
    return torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.int64)


def _digest(*parts: bytes) -> bytes:
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()
