"""The page of one run: its validation split before training and as the run is judged."""

from closegap.evaluation.compare import Result, compare
from closegap.metrics.standard import standard_metrics
from closegap.report.page import Compared, write_comparison
from closegap.runs.log import read_metrics
from closegap.training.train import Trained


def write_training_report(trained: Trained) -> Compared | None:
    """Write report.json and report.html into the run's folder.

    None where training moved nothing that could be compared, and on processes that do not write.
    """
    if trained.embeddings is None or not trained.main:
        return None
    before, after = trained.embeddings
    seed = trained.run.seed
    results = [Result("before training", seed, before), Result(trained.arm, seed, after)]
    comparison = compare(results, data={"split": "validation"}, metrics=standard_metrics("quick"))
    history = {trained.arm: [read_metrics(trained.folder / "metrics.jsonl")]}
    cases = trained.cases if trained.run.train.show_cases else None
    page = write_comparison(comparison, trained.folder, trained.arm, cases, trained.kinds, history)
    return Compared(page, comparison)
