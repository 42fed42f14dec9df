"""Chance and ceiling of retrieval for a split of the phantoms."""

from collections.abc import Sequence

from closegap.phantom.ceiling import ceiling_recall, chance_recall, compatibility, image_facts
from closegap.phantom.observer import image_record_scores, image_report_scores, report_record_scores
from closegap.phantom.record import draw_record
from closegap.phantom.report import write_report
from closegap.phantom.source import Phantoms
from closegap.phantom.study import draw_study

FAR = 10**6  # strangers are drawn from this index on


def retrieval_bounds(
    phantoms: Phantoms, split: str = "test", ks: Sequence[int] = (1, 5, 10), strangers: int = 4000
) -> dict[str, dict[str, float]]:
    """Recall@K of chance and of ideal observers over the full gallery of a split, by direction.

    Keys are directions ("image_to_report"), then "chance/R@1", "ceiling/R@1" and, between image and report,
    "compatible/R@1": the observer who knows whether facts are compatible, but not how likely they are to be left out.
    The first image, report and record of each case count; `missing` is disregarded.

    Args:
        phantoms: the data set.
        split: "train", "validation" or "test".
        ks: lengths of the list that is looked at.
        strangers: number of further cases from which the ideal observer knows how common facts are.
    """
    studies = list(phantoms.studies(split))
    others = [draw_study(phantoms.seed, FAR + index) for index in range(strangers)]
    reports = [write_report(study).facts for study in studies]
    records = [draw_record(study, phantoms.blanks) for study in studies]
    shown = [image_facts(study) for study in studies]
    observers = {
        ("image", "report"): {
            "compatible": compatibility(shown, reports),
            "ceiling": image_report_scores(studies, reports, others),
        },
        ("image", "record"): {"ceiling": image_record_scores(studies, records, others)},
        ("report", "record"): {"ceiling": report_record_scores(reports, records, [*studies, *others])},
    }
    bounds: dict[str, dict[str, float]] = {}
    for (first, second), tables in observers.items():
        for direction, turned in ((f"{first}_to_{second}", False), (f"{second}_to_{first}", True)):
            bounds[direction] = {f"chance/R@{k}": chance_recall(len(studies), k) for k in ks}
            for name, scores in tables.items():
                rows = scores.T if turned else scores
                bounds[direction] |= {f"{name}/R@{k}": ceiling_recall(rows, k) for k in ks}
    return bounds
