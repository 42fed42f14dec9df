"""Training: runs, the contrastive step, checkpoints, the cache of frozen towers' features."""
