"""An archive that can be asked: an index with the model that embeds questions and what corrects the scores."""
