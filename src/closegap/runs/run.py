"""A run: what its config builds."""

from contextlib import suppress
from dataclasses import dataclass

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
    except (AssertionError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise _refusal(error) from error
    with suppress(DataError):  # of data that are not there: who reads them is told so, and a model needs none
        check_kinds(built.data.kinds, {name: built.model.encoder(name) for name in built.model.modalities})
    named = (built.seed, built.arm, built.objective, built.control)
    return Run(built.data, built.checks, built.model, built.loss, built.train, *named)


def _refusal(error: BaseException) -> ClosegapError:
    """What to say of a class that refuses what it is built from: its own words where they are meant for a person."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ClosegapError):
        cause = cause.__cause__
    return cause or UsageError(f"a class of the config refuses its arguments ({error}); see its init_args")
