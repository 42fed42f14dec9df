"""Several arms, several seeds, one comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from closegap.api import given
from closegap.api.bars import Bars
from closegap.calibration.curves import CurveName
from closegap.evaluation.report import Report
from closegap.runs.config import Layer
from closegap.runs.log import Watching
from closegap.runs.presets import ARMS, preset
from closegap.studies import study as studied


def study(
    config: Layer | Sequence[Layer],
    out: Path | str,
    *,
    arms: Sequence[Layer] | None = None,
    seeds: Sequence[int] = (0,),
    split: str = "test",
    metrics: given.Metrics = "all",
    posthoc: given.Methods = (),
    scores: given.Stages = (),
    reference: str = "train",
    calibrate: CurveName | None = None,
    fit_on: str = "train",
    overrides: Sequence[str] = (),
    title: str = "Arms compared",
    cases: bool = True,
    watching: Watching = Bars,
) -> Report:
    """Train every arm with every seed where it is not trained yet, compare them, write report.json and report.html.

    Args:
        config: what all arms share: a mapping, the path of a YAML file, or several of both, later ones winning.
        out: folder of the runs and the report.
        arms: a mapping or a YAML file each, laid over the config; the first is the baseline. By default closegap's:
            CLIP with a learnable temperature, CLIP with a fixed one, CLIP + Align True Pairs + Centroid Uniformity.
        seeds: of each arm.
        split: what the arms are compared on.
        metrics: "quick", "tasks", "all", import paths, metrics.
        posthoc: methods as arms of their own: "all", names, import paths, methods.
        scores: score stages beside each of these arms: "all", names, import paths, stages.
        reference: the split that stages and calibrations are fitted on.
        calibrate: "isotonic" or "logistic" fits probabilities of a match for each arm and measures whether they hold;
            name a `reference` that nothing was trained on.
        fit_on: the split of each run that post-hoc methods are fitted on.
        overrides: dotted options on top of all.
        title: of the page.
        cases: whether the page shows cases; a run with `train.show_cases: false` hides them all the same.
        watching: who is told how it goes; `closegap.runs.log.unwatched` for nobody.

    Raises:
        UsageError: a config that is none, or two runs of one arm and seed.
        DataError: a split without cases.
    """
    found = studied.study(
        [config] if isinstance(config, str | Path | Mapping) else list(config),
        [preset(name) for name in ARMS] if arms is None else arms,
        Path(out),
        seeds=seeds,
        split=split,
        overrides=overrides,
        title=title,
        metrics=given.metrics(metrics),
        methods=given.methods(posthoc),
        stages=given.stages(scores),
        reference=reference,
        calibration=given.calibration(calibrate),
        fit_on=fit_on,
        watching=watching,
        cases=cases,
    )
    return found.comparison.report
