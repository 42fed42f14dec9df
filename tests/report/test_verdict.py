"""Which arm a report says to pay for each task, and which it does not."""

from dataclasses import replace

import torch
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.audit import audit_arms
from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Arm, Estimate, Report
from closegap.metrics.mixed_matched import MATCHED
from closegap.metrics.retrieval import across
from closegap.posthoc import chosen_arms
from closegap.report.answer import answer, sentence, verdict_lines
from closegap.report.sections.verdicts import verdict_section
from closegap.report.verdict import verdicts
from closegap.scores import Standardise

ACROSS, BACK, ONE_INDEX = (search.recall_at(10) for search in (across("a", "b"), across("b", "a"), MATCHED))
GAIN, LOSS, NOTHING = Estimate(0.2, 0.1, 0.3), Estimate(-0.2, -0.3, -0.1), Estimate(0.1, -0.1, 0.3)


def _comparison(
    placebos: tuple[str, ...] = (), controls: tuple[str, ...] = (), **differences: tuple[Estimate, Estimate, Estimate]
) -> Comparison:
    figures = (ACROSS, BACK, ONE_INDEX)
    names = {arm.replace("_plus_", " + "): found for arm, found in differences.items()}
    arms = [Arm("original", {figure.name: Estimate(0.5) for figure in figures})]
    told = {arm: {figure.name: one for figure, one in zip(figures, found, strict=True)} for arm, found in names.items()}
    arms += [Arm(arm, {name: Estimate(0.5 + one.value) for name, one in found.items()}) for arm, found in told.items()]
    data = {"compared_with": dict.fromkeys(names, "original"), "placebos": list(placebos), "controls": list(controls)}
    return Comparison(Report(arms, data=data, figures={figure.name: figure for figure in figures}), "original", told)


def test_the_arm_that_gains_most_is_named_with_gain_cost_and_commands() -> None:
    more = Estimate(0.4, 0.3, 0.5)
    comparison = _comparison(
        original_plus_shift=(NOTHING, NOTHING, GAIN), original_plus_canonical_plus_standardise=(LOSS, NOTHING, more)
    )
    across_them, one_index = verdicts(comparison)
    assert sentence(across_them).startswith("search across modalities: leave them as they are")
    assert one_index.arm == "original + canonical + standardise"
    assert sentence(one_index) == (
        "one index of all: original + canonical + standardise pays against original: Matched-size mixed search R@10 "
        "50.0% → 90.0% (+40.0 [30.0, 50.0]); no training; at the cost of a → b R@10 50.0% → 30.0% "
        "(-20.0 [-30.0, -10.0])."
    )
    assert one_index.commands == [
        "closegap posthoc fit --method canonical --train train.safetensors --out canonical.safetensors",
        "closegap posthoc apply canonical.safetensors train.safetensors --in-sample --out train-canonical.safetensors",
        "closegap scores fit --method standardise --reference train-canonical.safetensors "
        "--out standardise.safetensors",
    ]
    page = str(verdict_section([across_them, one_index]).html)
    assert page.count("<code>") == 3
    assert "<b>one index of all</b>: original + canonical" in page


def test_commands_name_the_splits_that_were_fitted_on() -> None:
    comparison = _comparison(original_plus_canonical_plus_standardise=(NOTHING, NOTHING, GAIN))
    data = {**comparison.report.data, "fitted_on": {"methods": "train", "stages": "validation"}}
    fitted = replace(comparison, report=replace(comparison.report, data=data))
    assert verdicts(fitted)[1].commands == [
        "closegap posthoc fit --method canonical --train train.safetensors --out canonical.safetensors",
        "closegap posthoc apply canonical.safetensors validation.safetensors --out validation-canonical.safetensors",
        "closegap scores fit --method standardise --reference validation-canonical.safetensors "
        "--out standardise.safetensors",
    ]


def test_what_gains_one_way_and_loses_the_other_is_no_gain() -> None:
    assert verdicts(_comparison(original_plus_shift=(GAIN, LOSS, NOTHING)))[0].arm is None
    assert verdicts(_comparison(original_plus_shift=(GAIN, NOTHING, NOTHING)))[0].arm == "original + shift"


def test_what_gains_is_told_first() -> None:
    back = verdicts(_comparison(original_plus_shift=(NOTHING, GAIN, NOTHING)))[0]
    assert [told.split(" R@10")[0] for told in back.gains] == ["b → a", "a → b"]


def _trained(seeds: list[int], by_seed: Estimate) -> Comparison:
    """`learnable`, `fixed` against it, `losses` against `fixed`: higher in every figure."""
    names = [ACROSS.name, BACK.name, ONE_INDEX.name]
    arms = [Arm(arm, {name: Estimate(0.3 + 0.1 * i) for name in names}) for i, arm in enumerate(("learnable", "fixed"))]
    arms.append(Arm("losses", {name: Estimate(0.6) for name in names}))
    differences = {"fixed": dict.fromkeys(names, NOTHING), "losses": dict.fromkeys(names, GAIN)}
    data = {
        "compared_with": {"fixed": "learnable", "losses": "fixed"},
        "seeds": {arm.name: seeds for arm in arms},
        "steps": {arm.name: [18, 42] for arm in arms},
        "seed_differences": {"losses": {name: vars(by_seed) for name in names}},
    }
    figures = {figure.name: figure for figure in (ACROSS, BACK, ONE_INDEX)}
    return Comparison(Report(arms, data=data, figures=figures), "learnable", differences)


def test_a_trained_arm_pays_against_its_own_control_at_its_step() -> None:
    comparison = _trained([0, 1, 2], GAIN)
    one_index = verdicts(comparison)[1]
    assert sentence(one_index) == (
        "one index of all: losses pays against fixed: Matched-size mixed search R@10 40.0% → 60.0% (+20.0 "
        "[10.0, 30.0]; by seed [10.0, 30.0]); training (step 18 to 42); nothing else falls."
    )
    assert one_index.commands == []
    told = answer(comparison)
    assert told.startswith(
        "losses pays for search across modalities: a → b R@10 40.0% → 60.0% (+20.0 [10.0, 30.0]), and"
    )
    assert "by seed" not in told
    assert "training (step 18 to 42)" in verdict_lines(comparison)[0]


def test_nothing_is_claimed_that_other_seeds_would_not_give() -> None:
    comparison = _trained([0, 1, 2], NOTHING)
    assert [one.arm for one in verdicts(comparison)] == [None, None]
    assert answer(comparison) == (
        "No arm pays for search across modalities and one index of all: nothing is gained over learnable that this "
        "sample can tell."
    )


def test_one_seed_is_said_to_be_one() -> None:
    comparison = _trained([0], NOTHING)
    assert answer(comparison) == (
        "One seed, so nothing is claimed; highest for one index of all is losses: Matched-size mixed search R@10 30.0% "
        "→ 60.0%."
    )
    assert verdict_lines(comparison)[1].startswith(
        "one index of all: one seed, nothing is claimed; highest here: losses"
    )


def test_several_pairs_are_told_on_one_line_a_task() -> None:
    pairs = ("a|b", "a|c", "b|c")
    figures = {figure.full_name: figure for figure in (ONE_INDEX.of(pair) for pair in pairs)}
    arms = [
        Arm("original", dict.fromkeys(figures, Estimate(0.5))),
        Arm("original + shift", dict.fromkeys(figures, Estimate(0.7))),
    ]
    told = dict(zip(figures, (GAIN, NOTHING, GAIN), strict=True))
    comparison = Comparison(Report(arms, figures=figures), "original", {"original + shift": told})
    (line,) = verdict_lines(comparison)
    assert line.startswith("one index of all: original + shift pays for a and b (Matched-size mixed search R@10 50.0%")
    assert "; b and c (" in line
    assert line.endswith("no training; nothing else falls. leave them as they are: a and c.")
    assert answer(comparison) == "original + shift pays for one index of all (a and b and 1 more pair)."


def test_the_sentence_names_two_arms_and_counts_the_others() -> None:
    pairs, ways = ("a|b", "a|c", "b|c"), ("shift", "whiten", "center")
    figures = {figure.full_name: figure for figure in (ONE_INDEX.of(pair) for pair in pairs)}
    told = {
        f"original + {way}": {name: GAIN if at == place else NOTHING for at, name in enumerate(figures)}
        for place, way in enumerate(ways)
    }
    arms = [Arm("original", dict.fromkeys(figures, Estimate(0.5)))]
    arms += [Arm(arm, {name: Estimate(0.5 + one.value) for name, one in found.items()}) for arm, found in told.items()]
    assert answer(Comparison(Report(arms, figures=figures), "original", told)) == (
        "original + shift pays for one index of all (a and b); original + whiten pays for one index of all (a and c); "
        "1 more arm pays for what stands below."
    )


def test_a_placebo_is_never_advised_nor_what_gains_no_more() -> None:
    placebo = ("original + placebo",)
    found = verdicts(
        _comparison(placebo, original_plus_shift=(GAIN, GAIN, GAIN), original_plus_placebo=(NOTHING, NOTHING, GAIN))
    )
    assert [one.arm for one in found] == ["original + shift", None]


def test_a_control_is_never_advised() -> None:
    gains = (NOTHING, NOTHING, GAIN)
    assert verdicts(_comparison(original_plus_offset=gains))[1].arm == "original + offset"
    told = verdicts(_comparison(controls=("original + offset",), original_plus_offset=gains))[1]
    assert (told.arm, told.highest) == (None, "original")


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
    advised = {one.task: one for one in verdicts(found.comparison)}
    assert advised["one index of all"].arm in (
        "original + shift",
        "original + standardise",
        "original + shift + standardise",
    )
    assert "Matched-size mixed search R@10 0.2% → 98.6%" in sentence(advised["one index of all"])
    assert not any("do not look like pairs" in note for note in found.notes)


def test_rows_that_are_no_pairs_are_said_to_be_none() -> None:
    rows = normalize(torch.randn(2, 100, 16, generator=torch.Generator().manual_seed(1)), dim=2)
    ids = [str(case) for case in range(100)]
    (note, *_) = audit_arms(EmbeddingSet({"image": rows[0], "text": rows[1]}, ids), {}, resamples=50).notes
    assert note.startswith("rows do not look like pairs (image and text: R@10 ")
    assert "10.0% by chance): see that row i is the same case in both" in note
