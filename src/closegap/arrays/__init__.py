"""Reading other people's embeddings: arrays, ids, groups, labels and concepts from the files they keep."""

from closegap.arrays.assemble import embedding_set_from_arrays
from closegap.arrays.column import read_column, read_concepts
from closegap.arrays.matrix import load_array, unit_rows
from closegap.arrays.source import Source

__all__ = ["Source", "embedding_set_from_arrays", "load_array", "read_column", "read_concepts", "unit_rows"]
