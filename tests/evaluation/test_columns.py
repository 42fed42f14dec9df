from dataclasses import replace
from typing import Any

import tests.figures
from tests.figures import figure

from closegap.evaluation.columns import (
    best_arms,
    columns,
    key_columns,
    mark,
    marked,
    marks_key,
    steps_text,
    withheld_note,
)
from closegap.evaluation.report import Arm, Estimate, Report


def report(**arms: dict[str, float]) -> Report:
    return tests.figures.report(
        [Arm(name, {key: Estimate(value) for key, value in values.items()}) for name, values in arms.items()]
    )


def test_gap_and_cosines_need_the_null() -> None:
    alone = report(a={"gap": 0.1, "cos_true_pairs": 0.5, "cos_corrected": 0.4, "x_to_y/R@1": 0.2})
    assert [one.full_name for one in columns(alone)] == ["x_to_y/R@1"]
    assert "cos_null" in withheld_note(alone)
    complete = report(a={"gap": 0.1, "cos_true_pairs": 0.5, "cos_null": 0.0, "x_to_y/R@1": 0.2})
    assert [one.full_name for one in columns(complete)] == ["gap", "cos_true_pairs", "cos_null", "x_to_y/R@1"]
    assert withheld_note(complete) == ""


def test_one_arm_without_null_withholds_the_column() -> None:
    mixed = report(a={"gap": 0.1, "cos_null": 0.0}, b={"gap": 0.0})
    assert [one.full_name for one in columns(mixed)] == ["cos_null"]


def test_groups_stay_together_and_pairs_apart() -> None:
    names = ["v_measure", "p|q:q_to_p/R@1", "p|q:p_to_q/R@1", "p|q:p_to_q/R@5", "p|r:p_to_r/R@1", "p|q:p_to_q/mrr"]
    found = key_columns(report(a=dict.fromkeys(names, 0.5)))
    assert {pair: [one.name for one in shown] for pair, shown in found.items()} == {
        "p|q": ["q_to_p/R@1", "p_to_q/R@1", "p_to_q/R@5"],
        "p|r": ["p_to_r/R@1"],
        "": ["v_measure"],
    }


def test_best_counts_ties_as_written() -> None:
    given = report(a={"x_to_y/R@1": 0.1234}, b={"x_to_y/R@1": 0.12338}, c={"x_to_y/R@1": 0.1})
    assert best_arms(given, figure("x_to_y/R@1")) == {"a", "b"}


def test_nothing_is_best_among_equals_or_alone_or_without_direction() -> None:
    equal = report(a={"gap": 0.1, "cos_true_pairs": 0.1}, b={"gap": 0.1, "cos_true_pairs": 0.3})
    assert best_arms(equal, figure("gap")) == set()
    assert best_arms(equal, figure("cos_true_pairs")) == set()
    assert best_arms(report(a={"gap": 0.1}), figure("gap")) == set()


def test_nearest_to_zero_is_best() -> None:
    given = report(a={"cos_null": -0.01}, b={"cos_null": 0.02}, c={"cos_null": -0.3})
    assert best_arms(given, figure("cos_null")) == {"a"}


def test_marks_only_what_the_interval_separates() -> None:
    gap, recall, null, cosine = map(figure, ("gap", "x_to_y/R@1", "cos_null", "cos_true_pairs"))
    assert mark(gap, Estimate(0.1), Estimate(-0.2, -0.3, -0.1)) == "better"
    assert mark(recall, Estimate(0.1), Estimate(-0.2, -0.3, -0.1)) == "worse"
    assert mark(cosine, Estimate(0.5), Estimate(0.2, 0.1, 0.3)) == "differs"
    assert mark(null, Estimate(0.01), Estimate(0.21, 0.2, 0.22)) == "better"
    assert mark(gap, Estimate(0.1), Estimate(-0.2, -0.4, 0.0)) == ""
    assert mark(gap, Estimate(0.1), Estimate(-0.2)) == ""
    assert mark(gap, Estimate(0.1), None) == ""
    assert mark(gap, Estimate(0.10001), Estimate(0.00002, 0.00001, 0.00003)) == ""  # both read 0.100


_GAIN = Estimate(0.1, 0.05, 0.15)
_RECALL = "x_to_y/R@1"


def _marked(arm: str, data: dict[str, Any], **differences: Estimate) -> str:
    given = replace(report(a={_RECALL: 0.3}, b={_RECALL: 0.4}, c={_RECALL: 0.4}), data=data)
    subject = next(found for found in given.arms if found.name == arm)
    return marked(given, subject, figure(_RECALL), {name: {_RECALL: found} for name, found in differences.items()})


def test_a_trained_arm_is_marked_by_both_intervals() -> None:
    seeds = {"a": [0, 1, 2], "b": [0, 1, 2]}
    assert _marked("b", {}, b=_GAIN) == "better"
    assert _marked("b", {"seeds": seeds}, b=_GAIN) == ""
    for low, expected in ((0.01, "better"), (-0.01, "")):
        by_seed = {"b": {_RECALL: {"value": 0.1, "low": low, "high": 0.2}}}
        assert _marked("b", {"seeds": seeds, "seed_differences": by_seed}, b=_GAIN) == expected
    assert _marked("b", {"seeds": {"b": [None]}}, b=_GAIN) == "better"


def test_what_a_placebo_earns_nothing_beside_it_has_gained() -> None:
    control = {"b": "a", "c": "a"}
    assert _marked("b", {"compared_with": control, "placebos": ["c"]}, b=_GAIN, c=_GAIN) == ""
    assert _marked("c", {"compared_with": control, "placebos": ["c"]}, b=_GAIN, c=_GAIN) == "better"
    worse = Estimate(-0.1, -0.15, -0.05)
    assert _marked("b", {"compared_with": control, "placebos": ["c"]}, b=_GAIN, c=worse) == "better"
    assert _marked("b", {"compared_with": {**control, "c": "b"}, "placebos": ["c"]}, b=_GAIN, c=_GAIN) == "better"


def test_the_steps_of_an_arm_are_told() -> None:
    given = replace(report(a={}, b={}, c={}), data={"steps": {"a": [42, 18], "b": [1200], "c": [None]}})
    assert [steps_text(given, arm) for arm in given.arms] == ["step 18 to 42", "step 1,200", ""]


def test_the_key_of_the_marks_names_few_controls_and_explains_many() -> None:
    arms = [Arm(f"arm {number}", {}) for number in range(6)]
    pairs = {f"arm {number}": f"arm {number - 1}" for number in range(2, 6)}
    few, many = (Report(arms, data={"compared_with": dict(list(pairs.items())[:n])}) for n in (2, 4))
    assert "from arm 0 (arm 2 from arm 1; arm 3 from arm 2) excludes 0" in marks_key(few, "arm 0")
    assert "from arm 0, or from an arm's own control: what it is without what it adds excludes 0" in marks_key(
        many, "arm 0"
    )
