"""The file of a calibration, with the score stage that it is of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from closegap.fitted_file import FittedFile, Kept
from closegap.scores.base.stage import ScoreStage

FILE = FittedFile("closegap_calibration", 1, "a calibration", "closegap scores calibrate")
_STAGE = "stage/"
_CLASS = "closegap.calibration.Calibration"


def write(
    path: Path,
    settings: Mapping[str, Any],
    pairs: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    stage: ScoreStage | None,
) -> None:
    """Write `path`, whole or not at all.

    Args:
        path: the .safetensors file.
        settings: of the calibration.
        pairs: ordered pair of modalities to what is said of it, as JSON.
        tensors: of the fit.
        stage: what scores went through.
    """
    says: dict[str, Any] = {"pairs": dict(pairs), "stage": None}
    held = dict(tensors)
    if stage is not None:
        kept = stage.kept()
        says["stage"] = {"class": kept.class_path, "settings": dict(kept.settings), "says": dict(kept.says)}
        held |= {f"{_STAGE}{name}": tensor for name, tensor in kept.tensors.items()}
    FILE.write(path, Kept(_CLASS, settings, says, held))


def read(path: Path, trusted: Sequence[str] = ()) -> tuple[Kept, ScoreStage | None]:
    """What `write` wrote; of stages only ours are imported, and those listed.

    Raises:
        DataError: a missing or damaged file, or one of another kind or version.
        UsageError: a stage that is not trusted.
    """
    kept = FILE.read(path)
    said = kept.says.get("stage")
    if said is None:
        return kept, None
    try:
        tensors = {name.removeprefix(_STAGE): held for name, held in kept.tensors.items() if name.startswith(_STAGE)}
        of_stage = Kept(said["class"], said["settings"], said["says"], tensors)
    except (KeyError, TypeError) as error:
        raise FILE.unusable(path, error) from error
    return kept, ScoreStage.of(of_stage, path, trusted)
