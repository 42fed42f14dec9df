"""A run: what its config builds."""

from contextlib import suppress
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any

from jsonargparse import Namespace

from closegap.data import Checks, Source
from closegap.errors import ClosegapError, DataError, UsageError, needs
from closegap.losses import Loss
from closegap.models.model import Model
from closegap.runs.check_kinds import check_kinds
from closegap.runs.config import run_parser
from closegap.runs.objective import Objective
from closegap.runs.training import Training

with needs("train"):
    from accelerate.utils import set_seed


@dataclass(frozen=True)
class Run:
    """What a config builds.

    Args:
        data: where cases come from.
        checks: what is done about broken rows and leaks.
        model: towers, heads, temperature.
        loss: of the alignment of modalities.
        train: how.
        seed: of everything random.
        arm: the name that runs of one setting share; seeds of one arm are averaged in comparisons.
        objective: what is minimised, and what the run is judged by.
        control: the arm that this one is compared with; "" for the first of a comparison.
    """

    data: Source
    checks: Checks
    model: Model
    loss: Loss
    train: Training
    seed: int
    arm: str
    objective: Objective
    control: str = ""


def build(config: Namespace) -> Run:
    """Seed everything random, then build what the config names; equal configs build equal weights.

    Raises:
        UsageError: arguments that their class refuses, or that memory does not hold.
    """
    set_seed(config.seed)
    try:
        built = run_parser().instantiate(config)
    except (AssertionError, ClosegapError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise _refusal(error, config) from error
    with suppress(DataError):  # of data that are not there: who reads them is told so, and a model needs none
        check_kinds(built.data.kinds, {name: built.model.encoder(name) for name in built.model.modalities})
    named = (built.seed, built.arm, built.objective, built.control)
    return Run(built.data, built.checks, built.model, built.loss, built.train, *named)


def _refusal(error: BaseException, config: Namespace) -> ClosegapError:
    """What to say of a class that refuses what it is built from: its own words where they are meant for a person.

    They begin with the dotted key of the class, where one key alone names it.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ClosegapError):
        cause = cause.__cause__
    if cause is None:
        cause = UsageError(f"a class of the config refuses its arguments ({error}); see its init_args")
    keys = class_keys(config.as_dict()) if type(cause) in (DataError, UsageError) else {}
    for name in _built(error if cause.__traceback__ is None else cause):
        if len(places := keys.get(name, [])) == 1:
            text = str(cause)
            if text.startswith(f"{name}."):
                return type(cause)(f"{places[0]}.{text.removeprefix(f'{name}.')}")
            return cause if text.startswith(places[0]) else type(cause)(f"{places[0]}: {text}")
    return cause


def class_keys(config: Any, above: str = "") -> dict[str, list[str]]:
    """Name of each class that a config names by path, to the dotted keys that name it; `init_args` is left out of them.

    Example:
        >>> class_keys({"loss": {"class_path": "a.Loss"}, "model": {"encoders": {"report": {"class_path": "b.Text"}}}})
        {'Loss': ['loss'], 'Text': ['model.encoders.report']}
    """
    found: dict[str, list[str]] = {}
    if not isinstance(config, dict):
        return found
    if isinstance(path := config.get("class_path"), str):
        found[path.rpartition(".")[2]] = [above]
    for key, value in config.items():
        inner = above if key == "init_args" else f"{above}.{key}".removeprefix(".")
        for name, places in class_keys(value, inner).items():
            found.setdefault(name, []).extend(places)
    return found


def _built(error: BaseException) -> list[str]:
    """Names of the classes whose constructors were running when the error was raised, the innermost first."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == "__init__"]
    return [type(frame.f_locals["self"]).__name__ for frame in reversed(frames) if "self" in frame.f_locals]
