"""Sets of embeddings, and other people's arrays, ids, groups, labels and concepts from the files they keep."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.embeddings.array_file import ArrayFile as ArrayFile
    from closegap.embeddings.column import read_column as read_column
    from closegap.embeddings.column import read_concepts as read_concepts
    from closegap.embeddings.embedding_set import EmbeddingSet as EmbeddingSet
    from closegap.embeddings.from_arrays import embedding_set_from_arrays as embedding_set_from_arrays
    from closegap.embeddings.matrix import load_array as load_array
    from closegap.embeddings.matrix import unit_rows as unit_rows

_HOMES = {
    "ArrayFile": "closegap.embeddings.array_file",
    "EmbeddingSet": "closegap.embeddings.embedding_set",
    "embedding_set_from_arrays": "closegap.embeddings.from_arrays",
    "load_array": "closegap.embeddings.matrix",
    "read_column": "closegap.embeddings.column",
    "read_concepts": "closegap.embeddings.column",
    "unit_rows": "closegap.embeddings.matrix",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
