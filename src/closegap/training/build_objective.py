"""From a run to its objective."""

from collections.abc import Callable
from pathlib import Path

import torch

from closegap.caption import CaptionTokenizer
from closegap.caption.captioner import Captioner
from closegap.data.loader import Views
from closegap.errors import UsageError, needs
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import Prepared
from closegap.runs.checkpoint import checkpoints, load_model
from closegap.runs.run import TOKENIZER, Run, chosen_checkpoint, read_config
from closegap.training.captioning_data import (
    caption_views,
    captions_of,
    check_modalities,
    embedding_views,
    new_decoder,
)
from closegap.training.objective import Alignment, FrozenCaptioning, JointCaptioning, Objective

with needs("train"):
    from accelerate import PartialState

Progress = Callable[[str, int, int], None]


def build_objective(
    run: Run,
    folder: Path,
    train: Prepared,
    validation: Prepared,
    cache: FeatureCache | None,
    device: torch.device,
    progress: Progress | None = None,
) -> tuple[Objective, CaptionTokenizer | None]:
    """The objective, and the captions' tokenizer where the run has a decoder. Processes call this together.

    Args:
        run: the run; its model is on `device`.
        folder: the run's.
        train: training cases.
        validation: validation cases.
        cache: of features.
        device: where training happens.
        progress: called with (what, items done, items to do).

    Raises:
        ClosegapError: no model, tokenizer or decoder of that name, or one that does not fit.
        UsageError: modalities or towers that captions cannot be learned from.
    """
    captioning = run.captioning
    if captioning is None:
        return Alignment(run, train, validation), None
    for key in ("micro_batch", "shard"):
        if getattr(run.train, key):
            raise UsageError(f"train.{key}: goes with alignment alone; leave it out where a decoder is trained")
    check_modalities(captioning, run.model)
    if captioning.model_from is not None:
        load_model(_aligned(captioning.model_from, folder), run.model)
    splits = (train, validation)
    with PartialState().main_process_first():  # the others find on disk what it fetched and computed
        if (folder / TOKENIZER).is_dir():
            tokenizer = CaptionTokenizer.load(str(folder / TOKENIZER), captioning.max_tokens)
        else:
            tokenizer = captioning.new_tokenizer(captions_of(train, captioning.text))
        decoder, tokens = new_decoder(run, tokenizer, splits, cache, device, progress)
    written = [caption_views(split, captioning.text, tokenizer) for split in splits]
    captioner = Captioner(decoder, captioning.noise).to(device)
    if not captioning.frozen:
        alignment = Alignment(run, train, validation)
        memory = (tokens[0], tokens[1]) if tokens else None
        return JointCaptioning(alignment, captioner, memory, (written[0], written[1])), tokenizer
    held = {
        "log_likelihood": (tokens[1] if tokens else _embedded(run, validation, captioning.image, device), written[1])
    }
    if captioning.condition == "text":
        held["log_likelihood_from_text"] = (_embedded(run, validation, captioning.text, device), written[1])
    memory_views = tokens[0] if tokens else _embedded(run, train, captioning.source, device)
    return FrozenCaptioning(run, captioner, memory_views, written[0], held), tokenizer


def _embedded(run: Run, split: Prepared, modality: str, device: torch.device) -> Views:
    return embedding_views(run.model, split, modality, device)


def _aligned(model_from: Path, folder: Path) -> Path:
    """The checkpoint that holds the aligned model: the run's own once there is one."""
    own = checkpoints(folder / "checkpoints")
    return own[-1] if own else chosen_checkpoint(model_from, read_config(model_from).train.keep)
