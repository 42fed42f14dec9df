"""From embeddings to what they are worth: cards of metrics, comparisons, audits."""
