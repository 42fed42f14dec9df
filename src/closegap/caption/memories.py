"""What a decoder learns from: memories of the cases and tokens of their captions, as views like any other."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.batch import Batch
from closegap.caption.decoder import CaptionDecoder
from closegap.caption.neighbours import group_digests
from closegap.caption.objective import Captioning
from closegap.caption.tokenizer import CaptionTokenizer
from closegap.data.loader import Views
from closegap.errors import UsageError
from closegap.infer.embed import embed_views
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import Prepared
from closegap.kinds.text import TextKind
from closegap.models.model import Model
from closegap.models.towers.token_grid import TokenGrid
from closegap.runs.run import Run

MEMORY, CAPTION = "captioning/memory", "captioning/caption"
"""Names of the two among a batch's modalities."""


def check_modalities(captioning: Captioning, model: Model) -> None:
    """Refuse modalities that the model lacks, and captions that are no texts.

    Raises:
        UsageError: names the key.
    """
    for key in ("image", "text"):
        name = getattr(captioning, key)
        if name not in model.modalities:
            raise UsageError(f"objective.{key}: {name!r} is no modality of the model ({', '.join(model.modalities)})")
    if model.encoder(captioning.text).takes is not TextKind:
        raise UsageError(f"objective.text: {captioning.text!r} holds no texts; name the modality of the captions")


def captions_of(split: Prepared, text: str) -> Sequence[str]:
    """All captions of a split."""
    return split.views[text].items


def caption_views(split: Prepared, text: str, tokenizer: CaptionTokenizer) -> Views:
    """The captions as tokens."""
    return replace(
        split.views[text], features=None, activations=None, inputs=tokenizer.encode(captions_of(split, text))
    )


def embedding_views(model: Model, split: Prepared, modality: str, device: torch.device) -> Views:
    """The items as embeddings in the shared space."""
    found = split.views[modality]
    return replace(found, features=embed_views(model, modality, found, device), inputs=None)


def group_of_items(split: Prepared, views: Views) -> Int[Tensor, "k"]:
    """`group_digests` of each item's case."""
    return group_digests([case.group for case in split.cases]).repeat_interleave(views.starts.diff())


def token_views(
    model: Model,
    split: Prepared,
    captioning: Captioning,
    cache: FeatureCache | None,
    device: torch.device,
    progress: Callable[[str, int, int], None] | None = None,
) -> Views:
    """The images as the grid of tokens of their frozen tower, from the cache.

    Raises:
        UsageError: a tower that is trained, without places, or no cache.
    """
    name = captioning.image
    encoder, found = model.encoder(name), split.views[name]
    if cache is None or not (encoder.frozen or not captioning.moves_model):
        raise UsageError(
            f"a decoder that reads image tokens needs a frozen {name} tower and train.cache_features: true; "
            "freeze the tower (trained_blocks: 0), or use a decoder that reads the shared embedding"
        )
    grid = TokenGrid(encoder, captioning.grid)
    report = None if progress is None else lambda done, total: progress(f"{name} tokens", done, total)
    return replace(found, features=cache.features(grid, found.items, device, progress=report), inputs=None)


def new_decoder(
    run: Run,
    captioning: Captioning,
    tokenizer: CaptionTokenizer,
    splits: Sequence[Prepared],
    cache: FeatureCache | None,
    device: torch.device,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[CaptionDecoder, list[Views]]:
    """The run's decoder, the same weights each time, and the image tokens of each split if it reads them.

    Args:
        run: its model is read, and its seed used.
        captioning: names the decoder.
        tokenizer: of the captions.
        splits: the cases whose tokens are wanted, one split at least.
        cache: of features.
        device: where tokens are computed.
        progress: called with (what, items done, items to do).

    Raises:
        UsageError: see `token_views` and `Captioning.new_decoder`.
    """
    torch.manual_seed(run.seed)
    decoder = captioning.new_decoder(captioning.memory_width(run.model.dim), tokenizer)
    if decoder.reads == "embedding":
        return decoder, []
    tokens = [token_views(run.model, split, captioning, cache, device, progress) for split in splits]
    assert tokens[0].features is not None
    torch.manual_seed(run.seed)  # how wide tokens are is known only now
    return captioning.new_decoder(tokens[0].features.shape[-1], tokenizer), tokens


def memories_and_captions(
    batch: Batch, memory: Float[Tensor, "k ..."], rows: Int[Tensor, "k"]
) -> tuple[Float[Tensor, "m ..."], Int[Tensor, "m t"]]:
    """Memory and tokens of the cases that have both.

    Args:
        batch: holds the tokens.
        memory: one for each of `rows`.
        rows: of the batch.
    """
    place = torch.full_like(batch.groups, -1).index_copy(0, rows, torch.arange(len(rows), device=rows.device))
    places = place[batch.rows[CAPTION]]
    return memory[places[places >= 0]], batch.inputs[CAPTION][places >= 0]


def pairs(memory: Views, captions: Views) -> tuple[Int[Tensor, "p"], Int[Tensor, "p"]]:
    """Every caption with the first memory of its case: items of `memory`, items of `captions`."""
    first, end = memory.starts[:-1], memory.starts[1:]
    case = torch.repeat_interleave(torch.arange(len(first)), captions.starts.diff())
    have = (end > first)[case]
    return first[case[have]], torch.arange(len(case))[have]
