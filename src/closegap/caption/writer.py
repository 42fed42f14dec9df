"""From a run folder to captions of cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.batch import move
from closegap.caption.generate import generate_captions
from closegap.caption.generation import Generation
from closegap.caption.memories import embedding_views, new_decoder
from closegap.caption.neighbours import Neighbours, group_digests
from closegap.caption.objective import Captioning
from closegap.caption.tokenizer import TOKENIZER, CaptionTokenizer
from closegap.data import Case, load_cases
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapError, UsageError
from closegap.infer.embed import embed
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import Prepared, prepare, verifiers
from closegap.posthoc import PostHoc, anchored
from closegap.progress import Progress
from closegap.runs.checkpoint import load_beside
from closegap.runs.log import Nobody, Watcher
from closegap.runs.open import best_device, open_run
from closegap.runs.run import Run


@dataclass(frozen=True)
class WrittenCaptions:
    """What a run wrote.

    Args:
        cases: those that have an image, in their order.
        generated: one caption each.
        images: their embeddings, as the decoder would read them.
    """

    cases: Sequence[Case]
    generated: Sequence[str]
    images: Float[Tensor, "n d"]


class CaptionWriter:
    """A run's model and tokenizer, ready to write captions of any cases.

    Args:
        folder: the run.
        overrides: config overrides (`--data.root DIR`).
        watcher: who is told how it goes.

    Raises:
        ClosegapError: no run, no checkpoint, no tokenizer.
        UsageError: a run without a decoder.
    """

    def __init__(self, folder: Path, overrides: Sequence[str] = (), watcher: Watcher | None = None) -> None:
        self.folder, self.watcher = folder, watcher or Nobody()
        opened = open_run(folder, overrides)
        self.run: Run = opened.run
        if not isinstance(self.run.objective, Captioning):
            raise UsageError(
                f"{folder}: the run has no decoder; train one on it with `closegap study --on {folder} "
                "--config configs/captioning.yaml --out DIR`"
            )
        self.captioning: Captioning = self.run.objective
        if not (folder / TOKENIZER / "tokenizer.json").is_file():
            raise ClosegapError(
                f"{folder / TOKENIZER}: no tokenizer.json, without which the decoder's tokens mean nothing; "
                "copy the folder from where the run was trained"
            )
        self.tokenizer = CaptionTokenizer.load(str(folder / TOKENIZER), self.captioning.max_tokens)
        self.arm, self.step, self.checkpoint = opened.arm, opened.step, opened.checkpoint
        self.device = best_device()
        self.run.model.to(self.device)
        self._cache = FeatureCache.of_run(self.run.train)

    def cases(self) -> dict[str, Sequence[Case]]:
        """The run's data by split."""
        model = self.run.model
        preparing = verifiers(model, self._cache, self.device, self.watcher.features)
        found = load_cases(self.run.data, self.run.checks, model.modalities, self.watcher.images, preparing)
        return dict(found.splits)

    def prepare(self, cases: Sequence[Case]) -> Prepared:
        """The cases with the features of frozen towers."""
        return prepare(cases, self.run.model, self._cache, self.device, self.watcher.features)

    def write(
        self,
        cases: Sequence[Case],
        settings: Generation,
        correction: PostHoc | None = None,
        progress: Progress | None = None,
    ) -> WrittenCaptions:
        """A caption of each case that has an image, from its first view.

        Args:
            cases: the cases.
            settings: how captions are searched for.
            correction: applied to the images' embeddings first; fitted, with the texts as its anchor.
            progress: called with (captions done, captions).

        Raises:
            UsageError: a correction, and a decoder that reads no embedding.
            ClosegapError: a checkpoint of another decoder, or no captions where it reads some.
        """
        cases = [case for case in cases if case.views.get(self.captioning.image)]
        first = [
            Case(case.id, case.split, case.group, {self.captioning.image: case.views[self.captioning.image][:1]})
            for case in cases
        ]
        split = self.prepare(first)
        decoder, tokens = new_decoder(
            self.run, self.captioning, self.tokenizer, [split], self._cache, self.device, self.watcher.features
        )
        load_beside(self.checkpoint, "decoder", decoder)
        images = self.embed_images(split)
        if correction is not None:
            if tokens:
                raise UsageError(f"a correction moves embeddings, which {type(decoder).__name__} does not read")
            moved = correction.apply(EmbeddingSet({self.captioning.image: images}, [case.id for case in cases]))
            images = moved.embeddings[self.captioning.image]
        memory = tokens[0].features if tokens else images
        if self.captioning.neighbours:
            neighbours = Neighbours.load(self.folder, self.captioning.neighbours)
            memory = neighbours.beside(images, group_digests([case.group for case in cases]))
        assert memory is not None
        decoder.to(self.device)
        generated = generate_captions(decoder, self.tokenizer, memory, settings, self.device, progress)
        return WrittenCaptions(cases, generated, images)

    def fit(self, name: str, cases: Sequence[Case]) -> PostHoc:
        """A correction by its name or import path, fitted on cases, that leaves the texts where they are.

        Raises:
            UsageError: no method of that name, or one that can hold no modality.
        """
        method = anchored(name, self.captioning.text)
        embeddings = embed(self.run.model, self.prepare(cases), self.device)
        names = (self.captioning.image, self.captioning.text)
        pair = EmbeddingSet(
            {key: embeddings.embeddings[key] for key in names},
            embeddings.ids,
            {key: embeddings.mask(key) for key in names},
            embeddings.groups,
        )
        return method.fit(pair)

    def embed_images(self, split: Prepared) -> Float[Tensor, "k d"]:
        """Embeddings of every image."""
        found = embedding_views(self.run.model, split, self.captioning.image, self.device).features
        assert found is not None
        return found

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Embeddings of texts by the run's text tower."""
        model, name = self.run.model.eval(), self.captioning.text
        preparer = model.encoder(name).preparer()
        parts = [
            model.encode(name, move(preparer(texts[i : i + 64]), self.device)).cpu() for i in range(0, len(texts), 64)
        ]
        return torch.cat(parts) if parts else torch.empty(0, model.dim)
