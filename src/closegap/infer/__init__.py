"""From items to embeddings: features of frozen towers, splits, archives in parts."""
