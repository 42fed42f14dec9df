"""closegap scores calibrate and explain: what a score is worth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from closegap.bounds import PositiveFloat, ShareAboveZero
from closegap.cli.arguments import add_out, parse, verb_parser
from closegap.cli.fitting import check_out, read_rows, tell

_CALIBRATE = """Fit how probable it is that a target is relevant, given its score and both modalities, and from which
score on targets are answers. Fit on a validation split: training pairs score higher than new ones.

  closegap scores calibrate validation.safetensors --out calibration.safetensors
  closegap scores calibrate validation.safetensors --scores stage.safetensors --out calibration.safetensors
  closegap scores calibrate validation.safetensors --relevance concepts --at-least 0.5 --out calibration.safetensors"""

_EXPLAIN = """Say what a cosine means: the probability that the target is relevant, what it was before, and whether the
target belongs to a set of answers that holds a relevant one with probability 1 - alpha.

  closegap scores explain calibration.safetensors --query image --target caption --cosine 0.27
  closegap scores explain calibration.safetensors --query image --target caption --cosine 0.27 --candidates 100000"""

_SEEN = (
    "A post-hoc method was fitted on rows of this set, where pairs then agree better than new ones: the calibration "
    "promises too much; fit it on a validation split."
)


def calibrate_parser() -> ArgumentParser:
    """What `calibrate` takes."""
    parser = verb_parser("scores calibrate", _CALIBRATE)
    parser.add_argument("reference", type=Path, help="the set of embeddings to fit on")
    parser.add_argument("--scores", type=Path | None, default=None, help="a fitted stage that scores go through first")
    parser.add_argument(
        "--method", type=Literal["isotonic", "logistic"], default="isotonic", help="the form of the curve"
    )
    parser.add_argument(
        "--relevance", type=Literal["pairs", "labels", "concepts"], default="pairs", help="what counts as relevant"
    )
    parser.add_argument("--at-least", type=ShareAboveZero, default=0.5, help="the overlap from which concepts count")
    parser.add_argument("--label", type=str, default="", help="which of the set's labels; the first by default")
    add_out(parser, "the .safetensors file to write")
    return parser


def explain_parser() -> ArgumentParser:
    """What `explain` takes."""
    parser = verb_parser("scores explain", _EXPLAIN)
    parser.add_argument("file", type=Path, help="what `closegap scores calibrate` wrote")
    parser.add_argument("--query", type=str, required=True, help="the modality that asks")
    parser.add_argument("--target", type=str, required=True, help="the modality that is searched")
    parser.add_argument("--cosine", type=float, required=True, help="of the query and a target")
    parser.add_argument("--alpha", type=ShareAboveZero, default=0.1, help="how often sets of answers may miss")
    parser.add_argument(
        "--candidates", type=PositiveFloat | None, default=None, help="how many targets are searched; as when fitted"
    )
    parser.add_argument("--prior", type=float | None, default=None, help="the share of relevant targets, instead")
    return parser


def calibrate(arguments: Sequence[str]) -> None:
    """Fit a calibration and write it."""
    given = parse(calibrate_parser(), arguments)
    check_out(given, ".safetensors", *(path for path in (given.reference, given.scores) if path is not None))
    from closegap.calibration import Calibration
    from closegap.scores import ScoreStage

    stage = None if given.scores is None else ScoreStage.load(given.scores)
    reference, notes = read_rows(given.reference)
    fitted = Calibration(given.method, given.relevance, given.at_least, given.label).fit(reference, stage)
    fitted.save(given.out)
    if reference.meta.get("in_sample"):
        notes = [*notes, _SEEN]
    told = [
        f"{key.replace('|', ' to ')}: {found.relevant:,} of {found.couples:,} couples are relevant, of "
        f"{found.queries:,} queries in {len(found.best):,} groups"
        for key, found in (fitted.fitted or {}).items()
    ]
    tell([*notes, *told], f"{given.out}: {given.method}, by {given.relevance}")


def explain(arguments: Sequence[str]) -> None:
    """Say what a cosine means."""
    given = parse(explain_parser(), arguments)
    from closegap.calibration import Calibration
    from closegap.calibration.explained import explained

    calibration = Calibration.load(given.file)
    found = explained(
        calibration,
        given.cosine,
        given.query,
        given.target,
        alpha=given.alpha,
        candidates=given.candidates,
        prior=given.prior,
    )
    *lines, last = found.lines
    tell(lines, last)
