"""What a run minimises and is judged by: alignment, a decoder on a frozen model, or both at once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.batch import Batch
from closegap.caption.captioner import Captioner
from closegap.data.loader import Preparer, Views
from closegap.distributed import total, world_size
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.embed import embed, embed_views
from closegap.infer.prepared import Prepared
from closegap.metrics.captions.likelihood import LOG_LIKELIHOOD
from closegap.metrics.figure import Figure
from closegap.models.model import Model
from closegap.runs.run import Run
from closegap.training.cached_step import cached_step
from closegap.training.captioning_data import CAPTION, MEMORY, memories_and_captions, pairs
from closegap.training.optim import Parts, alignment_parts
from closegap.training.step import contrastive_step, contrastive_terms
from closegap.training.validation import validation_metrics

_ROWS = 128  # captions at once in validation

Terms = dict[str, Float[Tensor, ""]]


class Objective(ABC):
    """All that the trainer knows of models, losses and decoders.

    Attributes:
        module: what processes wrap, called through `step`.
        parts: what is trained, at which rates.
        beside: what has parameters and is saved beside the model.
        views: what batches are drawn from.
        preparers: what prepares the items of views that hold no features.
        alike: names whose views are drawn as another's.
    """

    module: nn.Module
    parts: Parts
    beside: Mapping[str, nn.Module]
    views: Mapping[str, Views]
    preparers: Mapping[str, Preparer]
    alike: Mapping[str, str]

    @abstractmethod
    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The terms of the global batch, whose sum is minimised, and what else is worth a curve.

        Terms without a graph have left their gradients already.

        Args:
            parallel: the module, or its distributed wrapper.
            batch: this process's rows.
            progress: share of training done.
        """

    @abstractmethod
    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        """Metrics of the validation split, and its embeddings where training moves them."""


class Alignment(Objective):
    """The run's loss over its modalities.

    Args:
        run: the run.
        train: its training cases.
        validation: its validation cases.
    """

    def __init__(self, run: Run, train: Prepared, validation: Prepared) -> None:
        self.run, self.validation = run, validation
        self.module = run.model
        self.parts = alignment_parts(run.model, run.loss, run.train)
        self.beside = {"loss": run.loss}
        self.views, self.preparers, self.alike = train.views, run.model.preparers(), {}

    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The loss's terms, and the temperature; in micro-batches where the run asks for them."""
        size, masked = self.run.train.micro_batch, self.run.train.mask_groups
        if size is None or size >= len(batch.groups):
            terms, temperature = contrastive_step(parallel, self.run.loss, batch, progress, masked)
        else:
            terms, temperature = cached_step(parallel, self.run.loss, batch, progress, masked, size)
        return terms, {"temperature": temperature}

    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        """Gap, cosines and retrieval."""
        embeddings = embed(self.run.model, self.validation, device)
        return validation_metrics(embeddings), embeddings


class FrozenCaptioning(Objective):
    """A decoder on an aligned model that stays as it is, so that memories are computed once.

    Args:
        run: the run.
        captioner: the decoder.
        memory: what the training cases' captions are written from.
        captions: tokens of the training cases.
        validation: figure of a likelihood to the memories and captions of the validation cases.
    """

    def __init__(
        self,
        run: Run,
        captioner: Captioner,
        memory: Views,
        captions: Views,
        validation: Mapping[Figure, tuple[Views, Views]],
    ) -> None:
        assert run.captioning is not None
        self.captioning, self.captioner, self.validation = run.captioning, captioner, validation
        self.module = captioner
        self.parts = [(captioner, run.captioning.lr or run.train.lr)]
        self.beside = {"loss": run.loss, "decoder": captioner.decoder}
        self.views = {MEMORY: memory, CAPTION: captions}
        self.preparers = {}
        self.alike = {CAPTION: MEMORY} if run.captioning.condition == "text" else {}

    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The captions' cross-entropy."""
        del progress
        memory = batch.inputs[MEMORY].values
        nll, tokens = parallel(*memories_and_captions(batch, memory, batch.rows[MEMORY]))
        return _caption_terms(nll, tokens, self.captioning.weight), {}

    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        """Log-likelihoods."""
        found = {
            figure: log_likelihood(self.captioner, memory, captions, device)
            for figure, (memory, captions) in self.validation.items()
        }
        return found, None


class JointCaptioning(Objective):
    """Alignment and a decoder at once: the decoder's gradient reaches the model.

    Args:
        alignment: the run's loss.
        captioner: the decoder.
        memory: image tokens of training and validation cases, for a decoder that reads them; else None.
        captions: tokens of training and validation cases.
    """

    def __init__(
        self,
        alignment: Alignment,
        captioner: Captioner,
        memory: tuple[Views, Views] | None,
        captions: tuple[Views, Views],
    ) -> None:
        run = alignment.run
        assert run.captioning is not None
        self.alignment, self.captioner, self.captioning = alignment, captioner, run.captioning
        self.held_memory = None if memory is None else memory[1]
        self.held_captions = captions[1]
        source = self.captioning.source
        self.module = _Joint(run.model, captioner, None if memory else source)
        self.parts = [*alignment.parts, (captioner, self.captioning.lr or run.train.lr)]
        self.beside = {**alignment.beside, "decoder": captioner.decoder}
        self.views = {**alignment.views, CAPTION: captions[0]} | ({} if memory is None else {MEMORY: memory[0]})
        self.preparers = alignment.preparers
        self.alike = {CAPTION: self.captioning.text}

    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The loss's terms and the captions' cross-entropy."""
        aligned, (nll, tokens) = parallel(batch, progress)
        embeddings, present, temperature = aligned
        run = self.alignment.run
        groups = batch.groups if run.train.mask_groups else None
        terms = contrastive_terms(run.loss, embeddings, present, temperature, progress, groups)
        return {**terms, **_caption_terms(nll, tokens, self.captioning.weight)}, {"temperature": temperature}

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


def _caption_terms(nll: Float[Tensor, ""], tokens: Int[Tensor, ""], weight: float) -> Terms:
    """The global batch's cross-entropy per token; its gradient is this process's share, for the mean over processes."""
    scale = weight / total(tokens).clamp_min(1)
    share = scale * world_size() * nll
    return {"caption": share + (scale * total(nll) - share).detach()}


@torch.no_grad()
def log_likelihood(captioner: Captioner, memory: Views, captions: Views, device: torch.device) -> float:
    """Mean log p(token | memory, tokens before) in nats over all captions; at most 0, higher is better.

    exp(-log_likelihood) is the perplexity.

    Args:
        captioner: the decoder, in whatever mode; it is evaluated.
        memory: with features.
        captions: with tokens.
        device: where the decoder is.
    """
    assert memory.features is not None
    assert captions.inputs is not None
    training = captioner.training
    captioner.eval()
    items, texts = pairs(memory, captions)
    by_length = (captions.inputs[texts] >= 0).sum(1).argsort(stable=True)
    nll, tokens = 0.0, 0
    for rows in torch.split(by_length, _ROWS):
        found = captioner(memory.features[items[rows]].to(device), captions.inputs[texts[rows]].to(device))
        nll, tokens = nll + float(found[0]), tokens + int(found[1])
    captioner.train(training)
    return -nll / max(1, tokens)
