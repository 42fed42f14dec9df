"""One modality's tower each, and what turns its items into inputs."""
