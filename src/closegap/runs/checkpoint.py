"""Checkpoints: whole or not at all, safetensors and JSON, nothing pickled.

state.json holds a digest of every file beside it and of itself: what is loaded is what was saved.
"""

import json
import shutil
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from closegap.disk import sync
from closegap.distributed import rank
from closegap.errors import ClosegapError
from closegap.files import digest, file_digest, regular, whole_folder
from closegap.mapped import copy_tensors
from closegap.metrics.figure import Figure
from closegap.models.base import Encoder
from closegap.models.fingerprint import tower_fingerprint
from closegap.models.model import Model
from closegap.runs.optimizer_state import optimizer_numbers, optimizer_tensors, restore_optimizer
from closegap.sharding import whole

_KEEP = 2  # newest checkpoints kept beside the best
_NOTHING = "_"  # a file of no tensors is none
_OPTIMIZER = "optimizer.safetensors"
_STATE = "state.json"
_NAME = f"step-{'[0-9]' * 8}"  # a pattern; what a person calls a copy is none
_MEND = "copy the run again, or delete this checkpoint and go on from the one before"


@dataclass(frozen=True)
class TrainingState:
    """Where training stands.

    Args:
        step: steps taken.
        best_step: step of the best validation so far; 0 before the first.
        best_value: of the selecting figure there; None before the first.
    """

    step: int
    best_step: int = 0
    best_value: float | None = None

    def improved_by(self, value: float, figure: Figure) -> bool:
        """Whether this value of the selecting figure is better than the best so far."""
        mine, best = (None if v is None else figure.merit(v) for v in (value, self.best_value))
        return mine is not None and isfinite(mine) and (best is None or mine > best)


def model_state(model: Model) -> dict[str, Tensor]:
    """The tensors that define the model beside its frozen towers and prefixes, which the config rebuilds."""
    frozen = {f"encoders.{name}.{key}" for name, encoder in _rebuilt(model).items() for key in _frozen(encoder)}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def frozen_towers(model: Model) -> dict[str, str]:
    """The names of towers that are frozen or begin so, also inside others, to the fingerprint of what is frozen."""
    return {
        name: tower_fingerprint(encoder) if encoder.frozen else str(encoder.prefix_fingerprint())
        for name, encoder in _rebuilt(model).items()
    }


def _rebuilt(model: Model) -> dict[str, Encoder]:
    """Towers of which the config brings back all or the prefix: `caption`, or `caption.encoders.0` inside another."""
    found: dict[str, Encoder] = {}
    for name, module in model.encoders.named_modules():
        inside = name.startswith(tuple(f"{outer}." for outer in found))
        if not inside and isinstance(module, Encoder) and (module.frozen or module.prefix is not None):
            found[name] = module
    return found


def _frozen(encoder: Encoder) -> set[str]:
    """Names of the tensors of a tower that no step changes: all of a frozen one, or those of its prefix."""
    prefix = None if encoder.frozen else encoder.prefix
    if prefix is None:
        return set(encoder.state_dict())
    shared = {id(tensor) for tensor in prefix.state_dict(keep_vars=True).values()}
    return {name for name, tensor in encoder.state_dict(keep_vars=True).items() if id(tensor) in shared}


def save_checkpoint(
    folder: Path,
    model: Model,
    beside: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    state: TrainingState,
    towers: Mapping[str, str],
) -> Path:
    """Write `folder`/step-NNNNNNNN and delete what is neither among the newest nor the best.

    Every process calls this, and the first one writes. Tensors in parts are written whole, so that any number of
    processes can go on from them.

    Args:
        folder: the run's checkpoints.
        model: the model.
        beside: name to what else has parameters: the loss, a decoder; each gets a file of its name.
        optimizer: its state is saved.
        state: where training stands.
        towers: fingerprints of the frozen towers and prefixes.
    """
    path = checkpoint_path(folder, state.step)
    if path.exists():
        return path
    files = {"model": model_state(model)}
    files |= {name: module.state_dict() | {_NOTHING: torch.zeros(())} for name, module in beside.items()}
    files |= {"optimizer": optimizer_tensors(optimizer) or {_NOTHING: torch.zeros(())}}
    if rank() > 0:
        for tensors in files.values():
            for tensor in tensors.values():
                whole(tensor.detach())  # the first process wants this one's part
        return path
    with whole_folder(path) as temporary:
        for name, tensors in files.items():
            save_file(_contiguous(tensors), temporary / f"{name}.safetensors")
        described: dict[str, Any] = {
            "training": asdict(state),
            "frozen_towers": dict(towers),
            "optimizer": optimizer_numbers(optimizer),
            "files": {file.name: file_digest(file) for file in sorted(temporary.iterdir())},
        }
        described["digest"] = _digest(described)
        (temporary / _STATE).write_text(json.dumps(described, indent=1), encoding="utf-8")
    _sweep(folder, kept={*checkpoints(folder)[-_KEEP:], checkpoint_path(folder, state.best_step)})
    return path


def prune(folder: Path) -> None:
    """Leave of a finished run's checkpoints the best and the last, without the optimiser's state: all is trained.

    Args:
        folder: the run's checkpoints; the last one is that of the last step.
    """
    found = checkpoints(folder)
    if not found:
        return
    _sweep(folder, kept={found[-1], checkpoint_path(folder, read_state(found[-1]).best_step)})
    for path in checkpoints(folder):
        (path / _OPTIMIZER).unlink(missing_ok=True)


def sweep_remains(folder: Path) -> None:
    """Delete what a kill left of the writing or the deletion of a checkpoint.

    Args:
        folder: the run's checkpoints; need not exist.
    """
    for remains in folder.glob(f".{_NAME}.*"):
        shutil.rmtree(remains, ignore_errors=True)


def _sweep(folder: Path, kept: Set[Path]) -> None:
    """Delete the other checkpoints."""
    for old in checkpoints(folder):
        if old not in kept:
            old.rename(folder / f".{old.name}.deleted")  # a deletion that is cut short must not look like a checkpoint
    if folder.is_dir():
        sync(folder)
    sweep_remains(folder)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return folder / f"step-{step:08d}"


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(folder.glob(_NAME))


def read_state(path: Path) -> TrainingState:
    """Where training stood at a checkpoint.

    Raises:
        ClosegapError: a damaged checkpoint.
    """
    return _described(path)[0]


def load_model(path: Path, model: Model, towers: Mapping[str, str] | None = None) -> None:
    """Load a checkpoint's weights into the model that its config builds.

    Args:
        path: a checkpoint folder.
        model: the model.
        towers: fingerprints of the model's frozen towers and prefixes, where known already.

    Raises:
        ClosegapError: a damaged checkpoint, one of another model, or frozen towers with other weights.
    """
    described = _described(path)[1]
    own = model_state(model)
    _same_tensors(path, _tensors(path, "model", described), own)
    expected = described["frozen_towers"]
    for name, fingerprint in (frozen_towers(model) if towers is None else towers).items():
        if expected.get(name) != fingerprint:
            raise ClosegapError(
                f"{path}: trained on a frozen {name} tower with other weights or preparation than the config's"
            )
    copy_tensors(path / "model.safetensors", own)


def load_beside(path: Path, name: str, module: nn.Module) -> None:
    """Load what a checkpoint holds under `name` beside the model: the loss's parameters, a decoder's.

    Raises:
        ClosegapError: a damaged checkpoint, or one of another module.
    """
    saved = _tensors(path, name, _described(path)[1])
    saved.pop(_NOTHING, None)
    _same_tensors(path, saved, module.state_dict(), name)
    module.load_state_dict(saved)


def load_optimizer(path: Path, optimizer: torch.optim.Optimizer) -> None:
    """Load the optimiser's state.

    Raises:
        ClosegapError: a damaged checkpoint, or that of a run that has ended.
    """
    if not (path / _OPTIMIZER).exists():
        raise ClosegapError(
            f"{path}: no readable checkpoint to go on from (no {_OPTIMIZER}, which a run drops with its last step); "
            "train a new run"
        )
    described = _described(path)[1]
    tensors = _tensors(path, "optimizer", described)
    tensors.pop(_NOTHING, None)
    restore_optimizer(optimizer, tensors, described["optimizer"])


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole copies on the CPU; tensors that share memory, such as tied embeddings, are written each."""
    return {name: whole(tensor.detach()).cpu().clone().contiguous() for name, tensor in tensors.items()}


def _same_tensors(path: Path, saved: Mapping[str, Tensor], own: Mapping[str, Tensor], what: str = "model") -> None:
    missing = sorted(saved.keys() ^ own.keys())
    if missing:
        raise ClosegapError(f"{path}: checkpoint of another {what} ({missing[0]} is in one and not in the other)")
    for name, tensor in own.items():
        if saved[name].shape != tensor.shape or saved[name].dtype != tensor.dtype:
            given, expected = (_described_tensor(found) for found in (saved[name], tensor))
            raise ClosegapError(f"{path}: checkpoint of another {what} ({name} is {given}, the config's is {expected})")


def _described_tensor(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _tensors(path: Path, name: str, described: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a file of the checkpoint, which holds what was saved."""
    file = path / f"{name}.safetensors"
    try:
        if file_digest(file) != described["files"].get(file.name):
            raise ClosegapError(f"{path}: no readable checkpoint ({file.name} is not what was saved); {_MEND}")
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise ClosegapError(f"{path}: no readable checkpoint ({' '.join(str(error).split())}); {_MEND}") from error


def _described(path: Path) -> tuple[TrainingState, dict[str, Any]]:
    """Where training stood, and the rest of state.json."""
    try:
        found = json.loads(regular(path / _STATE).read_text(encoding="utf-8"))
        if found.pop("digest") != _digest(found):
            raise ValueError("not what was saved")
        state = TrainingState(**found["training"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = "of another version" if isinstance(error, KeyError) else str(error)
        raise ClosegapError(f"{path}: no readable checkpoint ({_STATE}: {reason}); {_MEND}") from error
    if path.name != checkpoint_path(path.parent, state.step).name:
        raise ClosegapError(f"{path}: holds the checkpoint of step {state.step}; give it its own name again")
    return state, found


def _digest(described: Mapping[str, Any]) -> str:
    return digest(json.dumps(described, sort_keys=True).encode())
