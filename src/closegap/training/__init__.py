"""Training: the contrastive step, the loop, what it minimises."""
