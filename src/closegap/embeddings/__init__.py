"""Reading other people's embeddings: arrays, ids, groups, labels and concepts from the files they keep."""

from closegap.embeddings.array_file import ArrayFile
from closegap.embeddings.column import read_column, read_concepts
from closegap.embeddings.from_arrays import embedding_set_from_arrays
from closegap.embeddings.matrix import load_array, unit_rows

__all__ = ["ArrayFile", "embedding_set_from_arrays", "load_array", "read_column", "read_concepts", "unit_rows"]
