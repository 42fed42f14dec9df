"""What a report advises for each task, and what it does not."""

import torch
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.audit import audit_arms
from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Arm, Estimate, Report
from closegap.metrics.mixed_matched import MATCHED
from closegap.metrics.retrieval import across
from closegap.posthoc import chosen_arms
from closegap.report.advice import advice, advice_section
from closegap.scores import Standardise

ACROSS, BACK, ONE_INDEX = (search.recall_at(10) for search in (across("a", "b"), across("b", "a"), MATCHED))
GAIN, LOSS, NOTHING = Estimate(0.2, 0.1, 0.3), Estimate(-0.2, -0.3, -0.1), Estimate(0.1, -0.1, 0.3)


def _comparison(placebos: tuple[str, ...] = (), **differences: tuple[Estimate, Estimate, Estimate]) -> Comparison:
    figures = (ACROSS, BACK, ONE_INDEX)
    names = {arm.replace("_plus_", " + "): found for arm, found in differences.items()}
    arms = [Arm("original", {figure.name: Estimate(0.5) for figure in figures})]
    told = {arm: {figure.name: one for figure, one in zip(figures, found, strict=True)} for arm, found in names.items()}
    arms += [Arm(arm, {name: Estimate(0.5 + one.value) for name, one in found.items()}) for arm, found in told.items()]
    data = {"compared_with": dict.fromkeys(names, "original"), "placebos": list(placebos)}
    return Comparison(Report(arms, data=data, figures={figure.name: figure for figure in figures}), "original", told)


def test_the_arm_that_gains_most_is_named_with_gain_cost_and_commands() -> None:
    more = Estimate(0.4, 0.3, 0.5)
    comparison = _comparison(
        original_plus_shift=(NOTHING, NOTHING, GAIN), original_plus_canonical_plus_standardise=(LOSS, NOTHING, more)
    )
    across_them, one_index = advice(comparison)
    assert across_them.sentence.startswith("search across modalities: leave them as they are")
    assert one_index.arm == "original + canonical + standardise"
    assert one_index.sentence == (
        "one index of all: original + canonical + standardise: Matched-size mixed search R@10 50.0% → 90.0% (+40.0 "
        "[30.0, 50.0]); at the cost of a → b R@10 50.0% → 30.0% (-20.0 [-30.0, -10.0])."
    )
    assert one_index.commands == [
        "closegap posthoc fit --method canonical --train train.safetensors --out canonical.safetensors",
        "closegap posthoc apply canonical.safetensors train.safetensors --in-sample --out train-canonical.safetensors",
        "closegap scores fit --method standardise --reference train-canonical.safetensors "
        "--out standardise.safetensors",
    ]
    page = str(advice_section([across_them, one_index]).html)
    assert page.count("<code>") == 3
    assert "<b>one index of all</b>: original + canonical" in page


def test_what_gains_one_way_and_loses_the_other_is_no_gain() -> None:
    assert advice(_comparison(original_plus_shift=(GAIN, LOSS, NOTHING)))[0].arm is None
    assert advice(_comparison(original_plus_shift=(GAIN, NOTHING, NOTHING)))[0].arm == "original + shift"


def test_a_placebo_is_never_advised_nor_what_gains_no_more() -> None:
    placebo = ("original + placebo",)
    found = advice(
        _comparison(placebo, original_plus_shift=(GAIN, GAIN, GAIN), original_plus_placebo=(NOTHING, NOTHING, GAIN))
    )
    assert [one.arm for one in found] == ["original + shift", None]


def test_an_audit_advises_what_closes_a_gap() -> None:
    generator = torch.Generator().manual_seed(0)
    cases = torch.randn(400, 16, generator=generator)
    rows = {
        name: normalize(cases + 0.5 * torch.randn(400, 16, generator=generator) + place * torch.eye(16)[0], dim=1)
        for name, place in (("image", 4.0), ("text", -4.0))
    }
    everything = EmbeddingSet(rows, [str(case) for case in range(400)])
    train, test = everything.select(range(200)), everything.select(range(200, 400))
    methods = chosen_arms(["shift", "placebo"])
    found = audit_arms(test, methods, train, stages={"standardise": Standardise()}, resamples=50)
    advised = {one.task: one for one in advice(found.comparison)}
    assert advised["one index of all"].arm in (
        "original + shift",
        "original + standardise",
        "original + shift + standardise",
    )
    assert "Matched-size mixed search R@10 0.2% → 98.6%" in advised["one index of all"].sentence
    assert not any("do not look like pairs" in note for note in found.notes)


def test_rows_that_are_no_pairs_are_said_to_be_none() -> None:
    rows = normalize(torch.randn(2, 100, 16, generator=torch.Generator().manual_seed(1)), dim=2)
    ids = [str(case) for case in range(100)]
    (note, *_) = audit_arms(EmbeddingSet({"image": rows[0], "text": rows[1]}, ids), {}, resamples=50).notes
    assert note.startswith("rows do not look like pairs (image and text: R@10 ")
    assert "10.0% by chance): see that row i is the same case in both" in note
