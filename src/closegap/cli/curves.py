"""Whether a command line asks for a calibration of every arm."""

from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser

if TYPE_CHECKING:
    from closegap.calibration import Calibration
    from closegap.calibration.curves import CurveName


def add_calibrate(parser: ArgumentParser, fitted_on: str) -> None:
    """Add `--calibrate`, with which every arm has a calibration of its own that is measured.

    Args:
        parser: of a verb that judges embeddings.
        fitted_on: what it is fitted on, for the help.
    """
    parser.add_argument(
        "--calibrate",
        type=Literal["isotonic", "logistic"] | None,
        default=None,
        help=f"fit probabilities of a match on {fitted_on}, and measure whether they hold",
    )


def chosen_calibration(curve: "CurveName | None") -> "Calibration | None":
    """The settings of what is fitted for each arm; None for nothing.

    Args:
        curve: as given to --calibrate.
    """
    from closegap.api.given import calibration

    return calibration(curve)
