"""From a captioning run and its cases to what the trainer steps."""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.caption.captioner import Captioner
from closegap.caption.frozen import FrozenCaptioning
from closegap.caption.joint import JointCaptioning
from closegap.caption.memories import (
    caption_views,
    captions_of,
    check_modalities,
    embedding_views,
    group_of_items,
    new_decoder,
)
from closegap.caption.neighbours import Neighbours, group_digests
from closegap.caption.objective import Captioning
from closegap.caption.tokenizer import TOKENIZER, CaptionTokenizer
from closegap.data.loader import Views
from closegap.errors import needs
from closegap.metrics.captions.likelihood import LOG_LIKELIHOOD, LOG_LIKELIHOOD_FROM_TEXT
from closegap.runs.checkpoint import checkpoints, load_model
from closegap.runs.config import read_config
from closegap.runs.folder import CHECKPOINTS, chosen_checkpoint
from closegap.training.alignment import AlignmentTask
from closegap.training.task import Setting, TrainingTask

with needs("train"):
    from accelerate import PartialState


def captioning_task(captioning: Captioning, setting: Setting) -> TrainingTask:
    """A decoder in training, alone or together with the model. Processes call this together.

    Args:
        captioning: the run's objective.
        setting: the run, its cases, and where it trains.

    Raises:
        ClosegapError: no model, tokenizer or decoder of that name, or one that does not fit.
        UsageError: modalities or towers that captions cannot be learned from.
    """
    run, folder, device = setting.run, setting.folder, setting.device
    check_modalities(captioning, run.model)
    if captioning.model_from is not None:
        load_model(_aligned(captioning.model_from, folder), run.model)
    splits = (setting.train, setting.validation)
    with PartialState().main_process_first():  # the others find on disk what it fetched and computed
        if (folder / TOKENIZER).is_dir():
            tokenizer = CaptionTokenizer.load(str(folder / TOKENIZER), captioning.max_tokens)
        else:
            tokenizer = captioning.new_tokenizer(captions_of(setting.train, captioning.text))
        decoder, tokens = new_decoder(
            run, captioning, tokenizer, splits, setting.cache, device, setting.watcher.features
        )
    written = [caption_views(split, captioning.text, tokenizer) for split in splits]
    captioner = Captioner(decoder, 0.0 if captioning.neighbours else captioning.noise).to(device)
    if captioning.moves_model:
        alignment = AlignmentTask(run, setting.train, setting.validation)
        memory = (tokens[0], tokens[1]) if tokens else None
        return JointCaptioning(alignment, captioning, captioner, memory, (written[0], written[1]), tokenizer)
    neighbours = _neighbours(captioning, setting)

    def read(modality: str) -> Views:
        found = embedding_views(run.model, setting.validation, modality, device)
        if neighbours is None:
            return found
        assert found.features is not None
        groups = group_of_items(setting.validation, found)
        return replace(found, features=neighbours[0].beside(found.features, groups))

    held = {LOG_LIKELIHOOD: (tokens[1] if tokens else read(captioning.image), written[1])}
    if captioning.condition == "text":
        held[LOG_LIKELIHOOD_FROM_TEXT] = (read(captioning.text), written[1])
    memories = tokens[0] if tokens else embedding_views(run.model, setting.train, captioning.source, device)
    return FrozenCaptioning(run, captioning, captioner, memories, written[0], neighbours, held, tokenizer)


def _neighbours(captioning: Captioning, setting: Setting) -> tuple[Neighbours, Int[Tensor, "groups"]] | None:
    """All training captions, and `group_digests` by the numbers of the training groups; None where none are read."""
    if not captioning.neighbours:
        return None
    split = setting.train
    captions = embedding_views(setting.run.model, split, captioning.text, setting.device)
    assert captions.features is not None
    digests = torch.empty(int(split.groups.max()) + 1, dtype=torch.long)
    digests[split.groups] = group_digests([case.group for case in split.cases])
    return Neighbours(captions.features, group_of_items(split, captions), captioning.neighbours), digests


def _aligned(model_from: Path, folder: Path) -> Path:
    """The checkpoint that holds the aligned model: the run's own once there is one."""
    own = checkpoints(folder / CHECKPOINTS)
    return own[-1] if own else chosen_checkpoint(model_from, read_config(model_from).train.keep)
