"""The options of closegap audit that embed first: a model and data in place of arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.bounds import PositiveInt
from closegap.errors import UsageError
from closegap.files import whole_folder

if TYPE_CHECKING:
    from closegap.evaluation.of_model import EmbeddedData

NO_TRAIN = "The data have no train split beside what is judged: no method and no stage was fitted."

_BATCH = 64
_OF_EMBEDDINGS = ("ids", "labels", "groups", "relevance", "train", "train_a", "train_b", "reference")
_OF_MODEL = ("data", "config", "batch_size", "keep")


def add_model(parser: ArgumentParser) -> None:
    """Add `--model`, and where its data come from."""
    parser.add_argument(
        "--model",
        type=str | None,
        default=None,
        help="embed first, with open_clip:NAME, hf:NAME or st:NAME, where NAME may be a folder, or with a run or a "
        "model's folder; every method and stage is fitted on the train split",
    )
    parser.add_argument(
        "--data", type=str | None, default=None, help="with --model: where cases come from, by class path"
    )
    parser.add_argument("--config", type=Path | None, default=None, help="a YAML file that says where cases come from")
    parser.add_argument("--split", type=str, default="test", help="with --model: what is judged")
    parser.add_argument(
        "--batch-size", type=PositiveInt | None, default=None, help=f"with --model: items at once; by default {_BATCH}"
    )
    parser.add_argument(
        "--keep",
        type=Path | None,
        default=None,
        help="with --model: a new folder for the embeddings, which the commands of the verdict take",
    )


def expect_one_origin(given: Namespace, overrides: Sequence[str]) -> None:
    """Refuse embeddings beside a model, and neither of them.

    Args:
        given: of a parser that `add_model` was called with.
        overrides: dotted arguments.

    Raises:
        UsageError: what does not go together.
    """
    if given.model is None:
        strange = [f"--{name.replace('_', '-')}" for name in _OF_MODEL if given[name] is not None] + list(overrides)
        if strange:
            raise UsageError(f"{strange[0]}: goes with --model; add it, or leave this out")
        if not given.files:
            raise UsageError("nothing to audit: give an array for each modality, a set of embeddings, or --model")
        return
    if given.files:
        raise UsageError(f"--model, {given.files[0]}: a model embeds its data itself; leave one of them out")
    strange = [f"--{name.replace('_', '-')}" for name in _OF_EMBEDDINGS if given[name]]
    if strange:
        raise UsageError(f"{strange[0]}: is of arrays; with --model, the data say it")
    if given.keep is not None and given.keep.exists():
        raise UsageError(f"--keep {given.keep}: exists; choose another folder, or delete it")


def embedded(given: Namespace, overrides: Sequence[str]) -> "EmbeddedData":
    """What the model makes of the data, kept where that was asked for."""
    from closegap.api.bars import Bars
    from closegap.evaluation.of_model import embed_data

    chosen = [] if given.config is None else [f"--config={given.config}"]
    chosen += [] if given.data is None else [f"--data={given.data}"]
    names = [] if given.names is None else given.names.split(",")
    with Bars("embedding") as bars:
        found = embed_data(given.model, [*chosen, *overrides], given.split, names, bars, given.batch_size or _BATCH)
    if given.keep is not None:
        with whole_folder(given.keep) as folder:
            found.judged.save(folder / f"{given.split}.safetensors")
            if found.train is not None:
                found.train.save(folder / "train.safetensors")
    return found
