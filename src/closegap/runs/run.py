"""A run: what its config builds."""

from contextlib import suppress
from dataclasses import dataclass

from jsonargparse import Namespace

from closegap.data import Checks, Source
from closegap.errors import DataError, needs
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
    """

    data: Source
    checks: Checks
    model: Model
    loss: Loss
    train: Training
    seed: int
    arm: str
    objective: Objective


def build(config: Namespace) -> Run:
    """Seed everything random, then build what the config names; equal configs build equal weights."""
    set_seed(config.seed)
    built = run_parser().instantiate(config)
    with suppress(DataError):  # of data that are not there: who reads them is told so, and a model needs none
        check_kinds(built.data.kinds, {name: built.model.encoder(name) for name in built.model.modalities})
    return Run(built.data, built.checks, built.model, built.loss, built.train, built.seed, built.arm, built.objective)
