"""A decoder on an aligned model that stays as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.batch import Batch
from closegap.caption.captioner import Captioner
from closegap.caption.likelihood import caption_terms, log_likelihood
from closegap.caption.memories import CAPTION, MEMORY, memories_and_captions
from closegap.caption.neighbours import Neighbours
from closegap.caption.noise import noisy
from closegap.caption.objective import Captioning
from closegap.caption.tokenizer import CaptionTokenizer, keep_tokenizer
from closegap.data.loader import Views
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.figure import Figure
from closegap.runs.run import Run
from closegap.training.task import Terms, TrainingTask


class FrozenCaptioning(TrainingTask):
    """A decoder on an aligned model that stays as it is, so that memories are computed once.

    Args:
        run: the run.
        captioning: its objective.
        captioner: the decoder.
        memory: what the training cases' captions are written from.
        captions: tokens of the training cases.
        neighbours: training captions to read beside each memory, if any; with `group_digests` of the training cases
            by the number of their group.
        validation: figure of a likelihood to the memories and captions of the validation cases.
        tokenizer: of the captions; kept in the run's folder.
    """

    def __init__(
        self,
        run: Run,
        captioning: Captioning,
        captioner: Captioner,
        memory: Views,
        captions: Views,
        neighbours: tuple[Neighbours, Int[Tensor, "groups"]] | None,
        validation: Mapping[Figure, tuple[Views, Views]],
        tokenizer: CaptionTokenizer,
    ) -> None:
        self.captioning, self.captioner, self.validation = captioning, captioner, validation
        self.tokenizer, self.neighbours = tokenizer, neighbours
        self.module = captioner
        self.peak_rates = [(captioner, captioning.lr or run.train.lr)]
        self.beside = {"loss": run.loss, "decoder": captioner.decoder}
        self.views = {MEMORY: memory, CAPTION: captions}
        self.preparers = {}
        self.alike = {CAPTION: MEMORY} if captioning.condition == "text" else {}

    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The captions' cross-entropy."""
        del progress
        memory, rows = batch.inputs[MEMORY].values, batch.rows[MEMORY]
        if self.neighbours is not None:
            captions, digests = self.neighbours
            # With noise a caption's neighbours are as far from it as an image's will be.
            memory = captions.beside(noisy(memory, self.captioning.noise), digests[batch.groups[rows].cpu()])
        nll, tokens = parallel(*memories_and_captions(batch, memory, rows))
        return caption_terms(nll, tokens, self.captioning.weight), {}

    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        """Log-likelihoods."""
        found = {
            figure: log_likelihood(self.captioner, memory, captions, device)
            for figure, (memory, captions) in self.validation.items()
        }
        return found, None

    def write_files(self, folder: Path) -> None:
        """The tokenizer, without which the decoder's tokens mean nothing, and the captions that it reads."""
        keep_tokenizer(self.tokenizer, folder)
        if self.neighbours is not None:
            self.neighbours[0].save(folder)
