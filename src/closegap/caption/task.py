"""From a captioning run and its cases to what the trainer steps."""

from pathlib import Path

import torch

from closegap.caption.captioner import Captioner
from closegap.caption.frozen import FrozenCaptioning
from closegap.caption.joint import JointCaptioning
from closegap.caption.memories import caption_views, captions_of, check_modalities, embedding_views, new_decoder
from closegap.caption.objective import Captioning
from closegap.caption.tokenizer import TOKENIZER, CaptionTokenizer
from closegap.data.loader import Views
from closegap.errors import needs
from closegap.infer.prepared import Prepared
from closegap.metrics.captions.likelihood import LOG_LIKELIHOOD, LOG_LIKELIHOOD_FROM_TEXT
from closegap.runs.checkpoint import checkpoints, load_model
from closegap.runs.config import read_config
from closegap.runs.folder import CHECKPOINTS, chosen_checkpoint
from closegap.runs.run import Run
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
    captioner = Captioner(decoder, captioning.noise).to(device)
    if captioning.moves_model:
        alignment = AlignmentTask(run, setting.train, setting.validation)
        memory = (tokens[0], tokens[1]) if tokens else None
        return JointCaptioning(alignment, captioning, captioner, memory, (written[0], written[1]), tokenizer)
    images = tokens[1] if tokens else _embedded(run, setting.validation, captioning.image, device)
    held = {LOG_LIKELIHOOD: (images, written[1])}
    if captioning.condition == "text":
        texts = _embedded(run, setting.validation, captioning.text, device)
        held[LOG_LIKELIHOOD_FROM_TEXT] = (texts, written[1])
    memories = tokens[0] if tokens else _embedded(run, setting.train, captioning.source, device)
    return FrozenCaptioning(run, captioning, captioner, memories, written[0], held, tokenizer)


def _embedded(run: Run, split: Prepared, modality: str, device: torch.device) -> Views:
    return embedding_views(run.model, split, modality, device)


def _aligned(model_from: Path, folder: Path) -> Path:
    """The checkpoint that holds the aligned model: the run's own once there is one."""
    own = checkpoints(folder / CHECKPOINTS)
    return own[-1] if own else chosen_checkpoint(model_from, read_config(model_from).train.keep)
