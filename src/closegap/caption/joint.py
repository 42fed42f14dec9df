"""Alignment and a decoder at once."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.batch import Batch
from closegap.caption.captioner import Captioner
from closegap.caption.likelihood import caption_terms, log_likelihood
from closegap.caption.memories import CAPTION, MEMORY, memories_and_captions
from closegap.caption.objective import Captioning
from closegap.caption.tokenizer import CaptionTokenizer, keep_tokenizer
from closegap.data.loader import Views
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.embed import embed_views
from closegap.metrics.captions.likelihood import LOG_LIKELIHOOD
from closegap.metrics.figure import Figure
from closegap.models.model import Model
from closegap.training.alignment import AlignmentTask
from closegap.training.step import contrastive_terms
from closegap.training.task import Terms, TrainingTask


class JointCaptioning(TrainingTask):
    """Alignment and a decoder at once: the decoder's gradient reaches the model.

    Args:
        alignment: of the model.
        captioning: the objective.
        captioner: the decoder.
        memory: image tokens of training and validation cases, for a decoder that reads them; else None.
        captions: tokens of training and validation cases.
        tokenizer: of the captions; kept in the run's folder.
    """

    def __init__(
        self,
        alignment: AlignmentTask,
        captioning: Captioning,
        captioner: Captioner,
        memory: tuple[Views, Views] | None,
        captions: tuple[Views, Views],
        tokenizer: CaptionTokenizer,
    ) -> None:
        run = alignment.run
        self.alignment, self.captioner, self.captioning, self.tokenizer = alignment, captioner, captioning, tokenizer
        self.held_memory = None if memory is None else memory[1]
        self.held_captions = captions[1]
        source = captioning.source
        self.module = _Joint(run.model, captioner, None if memory else source)
        self.peak_rates = [*alignment.peak_rates, (captioner, captioning.lr or run.train.lr)]
        self.beside = {**alignment.beside, "decoder": captioner.decoder}
        self.views = {**alignment.views, CAPTION: captions[0]} | ({} if memory is None else {MEMORY: memory[0]})
        self.preparers = alignment.preparers
        self.alike = {CAPTION: captioning.text}

    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The loss's terms and the captions' cross-entropy."""
        aligned, (nll, tokens) = parallel(batch, progress)
        embeddings, present, temperature = aligned
        run = self.alignment.run
        groups = batch.groups if run.train.mask_groups else None
        terms = contrastive_terms(run.loss, embeddings, present, temperature, progress, groups)
        return {**terms, **caption_terms(nll, tokens, self.captioning.weight)}, {"temperature": temperature}

    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        """Alignment's metrics, and the log-likelihood from images."""
        metrics, embeddings = self.alignment.validate(device)
        memory = self.held_memory
        if memory is None:
            name = self.captioning.image
            views = self.alignment.validation.views[name]
            memory = Views(views.items, views.starts, embed_views(self.alignment.run.model, name, views, device))
        return metrics | {
            LOG_LIKELIHOOD: log_likelihood(self.captioner, memory, self.held_captions, device)
        }, embeddings

    def write_files(self, folder: Path) -> None:
        """The tokenizer, without which the decoder's tokens mean nothing."""
        keep_tokenizer(self.tokenizer, folder)


class _Joint(nn.Module):
    """Model and decoder in one module, so that processes average both gradients.

    Args:
        model: the model.
        captioner: the decoder.
        source: the modality that the decoder reads; None where the batch holds memories.
    """

    def __init__(self, model: Model, captioner: Captioner, source: str | None) -> None:
        super().__init__()
        self.model, self.captioner, self.source = model, captioner, source

    def forward(self, batch: Batch, progress: float) -> tuple[Any, tuple[Float[Tensor, ""], Int[Tensor, ""]]]:
        aligned = self.model(batch, progress)
        if self.source is None:
            memory, rows = batch.inputs[MEMORY].values, batch.rows[MEMORY]
        else:
            rows = batch.rows[self.source]
            memory = aligned[0][self.source][rows]
        return aligned, self.captioner(*memories_and_captions(batch, memory, rows))
