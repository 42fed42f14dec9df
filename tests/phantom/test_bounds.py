from itertools import permutations, product
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from closegap.phantom import Phantoms, retrieval_bounds
from closegap.phantom.ceiling import ceiling_recall, chance_recall, compatibility, image_facts
from closegap.phantom.columns import NUMBERS, Column
from closegap.phantom.draw import Draw
from closegap.phantom.likelihood import (
    quotation_log_likelihood,
    record_log_likelihood,
    report_log_likelihood,
    value_probability,
)
from closegap.phantom.observer import image_report_scores, report_record_scores
from closegap.phantom.record import draw_record, measurements
from closegap.phantom.report import write_report
from closegap.phantom.statements import QUOTATIONS, draw_statements, findings_stated
from closegap.phantom.study import Finding, Study, draw_study

STUDIES = [draw_study(4, index) for index in range(150)]
FACTS = [write_report(study).facts for study in STUDIES]


@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 3))
def test_chance_is_the_share_of_orders_with_a_hit(gallery: int, k: int, positives: int) -> None:
    positives = min(positives, gallery)
    orders = list(permutations(range(gallery)))
    hits = sum(any(item < positives for item in order[:k]) for order in orders)
    assert chance_recall(gallery, k, positives) == pytest.approx(hits / len(orders))


@given(arrays(float, (4, 4), elements=st.sampled_from([-np.inf, -1.0, 0.0, 2.5])), st.integers(1, 5))
def test_ceiling_averages_over_the_orders_of_ties(scores: np.ndarray, k: int) -> None:
    np.fill_diagonal(scores, np.maximum(np.diagonal(scores), -1.0))
    hits = [
        np.mean([i in sorted(order, key=lambda j: -row[j])[:k] for order in permutations(range(4))])
        for i, row in enumerate(scores)
    ]
    assert ceiling_recall(scores, k) == pytest.approx(np.mean(hits))


def test_ceiling_of_an_all_knowing_and_of_an_ignorant_observer() -> None:
    assert ceiling_recall(np.eye(9), 1) == 1.0
    assert ceiling_recall(np.zeros((9, 9)), 3) == pytest.approx(3 / 9)
    assert ceiling_recall(np.zeros((9, 9)), 20) == 1.0
    nearly = np.zeros((9, 9)) + 1e-12 * np.arange(9)
    assert ceiling_recall(nearly, 3) == pytest.approx(3 / 9)


def test_compatible_items_of_a_small_gallery() -> None:
    shown = [{"a": "1", "b": "x"}, {"a": "1", "b": "y"}, {"a": "2"}]
    stated = [{"a": "1"}, {"b": "y"}, {"a": "2", "c": "z"}]
    expected = [[True, True, False], [False, True, True], [False, False, True]]
    assert np.isfinite(compatibility(stated, shown)).tolist() == expected
    assert ceiling_recall(compatibility(stated, shown), 1) == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)


def test_a_case_is_compatible_with_itself() -> None:
    scores = compatibility([image_facts(study) for study in STUDIES], FACTS)
    assert not np.diagonal(scores).any()
    naive = [
        [all(shown.get(slot, value) == value for slot, value in stated.items()) for stated in FACTS[:40]]
        for shown in map(image_facts, STUDIES[:40])
    ]
    assert np.isfinite(scores[:40, :40]).tolist() == naive


def test_lateral_views_show_no_sides_and_no_image_shows_the_age() -> None:
    lateral = Study(0, 0, "lateral", "male", "slim", (Finding("nodule", "left", "mid", "20 mm"),))
    facts = image_facts(lateral)
    assert "nodule.side" not in facts
    assert "pneumothorax" not in facts
    assert (facts["nodule"], facts["nodule.zone"], facts["mass"]) == ("present", "mid", "absent")
    assert "age" not in facts


def test_report_likelihood_is_the_product_over_the_statements() -> None:
    for study, facts in list(zip(STUDIES, FACTS, strict=True))[:60]:
        if study.view == "lateral":
            continue
        expected = 0.6 if "view" in facts else 0.4
        expected *= 0.5
        for statement in findings_stated(study):
            if statement.needs is None or statement.needs in facts:
                p = statement.probability
                expected *= p if statement.slot in facts else 1.0 - p
        assert exp(report_log_likelihood([facts], [study])[0, 0]) == pytest.approx(expected, rel=1e-9)


def test_report_likelihoods_of_all_reports_on_a_study_sum_to_1() -> None:
    """Every combination of the side, zone and size of a nodule, in a frontal and a lateral view."""
    for view in ("pa", "lateral"):
        study = Study(0, 0, view, "male", "slim", (Finding("nodule", "left", "mid", "20 mm"),))
        base = {"nodule": "present"}
        silent = report_log_likelihood([base], [study])[0, 0] - np.log(0.08 * 0.2 * 0.3)
        total = 0.0
        for side, zone, size in product((None, "left", "right"), (None, "upper", "mid", "lower"), (None, "20 mm")):
            values = {"nodule.side": side, "nodule.zone": zone, "nodule.size": size}
            facts = base | {slot: value for slot, value in values.items() if value is not None}
            total += exp(report_log_likelihood([facts], [study])[0, 0] - silent)
        assert total == pytest.approx(1.0)


def test_impossible_reports_have_no_likelihood() -> None:
    study = Study(0, 0, "pa", "male", "slim", (Finding("nodule", "left", "mid", "20 mm"),))
    impossible = [{"normal": "yes"}, {}, {"nodule": "absent"}, {"nodule": "present", "nodule.side": "right"}]
    impossible += [{"nodule": "present", "pacemaker": "present"}, {"nodule": "present", "sex": "female"}]
    assert np.isneginf(report_log_likelihood(impossible, [study])).all()


def test_report_likelihood_is_the_frequency_of_reports() -> None:
    study = Study(0, 0, "pa", "male", "slim", (Finding("hiatal_hernia"),))
    slots = ("view", "sex", "pneumothorax")
    drawn = [draw_statements(study, Draw(0, i, "frequency")) for i in range(4000)]
    for wanted in ({"view"}, {"sex", "pneumothorax"}, set[str]()):
        share = np.mean([{slot for slot in slots if slot in facts} == wanted for facts in drawn])
        template = {"hiatal_hernia": "present"}
        values = {"view": "pa", "sex": "male", "pneumothorax": "absent"}
        told = template | {slot: values[slot] for slot in wanted}
        all_told = template | values
        ratio = exp(report_log_likelihood([told], [study])[0, 0] - report_log_likelihood([all_told], [study])[0, 0])
        assert share == pytest.approx(ratio * 0.6 * 0.5 * 0.6, abs=0.025)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_probabilities_of_the_values_of_a_column(number: Column) -> None:
    centre = number.centre_of(["edema"], "female")
    draw = Draw(0, 0, number.name)
    drawn = [number.value_of(draw.bell(centre, number.reach)) for _ in range(3000)]
    top = (abs(centre) + number.reach) ** 2 if number.squared else centre + number.reach
    values = np.arange(0, int(top / number.step) + 2) * number.step
    chances = value_probability(number, values[:, None], np.array([[centre]]))[:, 0]
    assert chances.sum() == pytest.approx(1.0)
    assert (values * chances).sum() == pytest.approx(np.mean(drawn), rel=0.03)
    assert value_probability(number, np.array([drawn])[:, :200], np.array([[centre]])).min() > 0


def test_record_likelihood_prefers_the_true_findings() -> None:
    records = [draw_record(study, 0.15) for study in STUDIES]
    scores = record_log_likelihood(records, STUDIES)
    assert np.isfinite(np.diagonal(scores)).all()
    assert np.median((scores >= np.diagonal(scores)[:, None]).sum(axis=1)) < 15
    blank = dict.fromkeys(records[0])
    assert not record_log_likelihood([blank], STUDIES).any()
    wrong = dict(records[0]) | {"sex": "female" if STUDIES[0].sex == "male" else "male"}
    assert np.isneginf(record_log_likelihood([wrong], STUDIES[:1])[0, 0])


def test_quotation_likelihood_is_the_frequency_of_quotations() -> None:
    studies = [
        Study(0, index, "pa", "male", "slim", (Finding("consolidation", "left", "mid"),)) for index in range(400)
    ]
    for quotation in QUOTATIONS:
        applies = np.mean([quotation.applies(float(measurements(study)[quotation.column])) for study in studies])
        others = [q for q in QUOTATIONS if q is not quotation]
        silent = exp(quotation_log_likelihood([{}], studies[:1])[0, 0])
        for other in others:
            values = [float(measurements(study)[other.column]) for study in studies]
            silent /= 1 - other.probability * float(np.mean([other.applies(value) for value in values]))
        assert silent == pytest.approx(1 - quotation.probability * applies, abs=0.08)


def test_what_reports_quote_leads_to_the_record() -> None:
    studies = [Study(0, index, "pa", "male", "average") for index in range(40)]
    reports = [{"normal": "yes", "age": f"{measurements(study)['age']:g}"} for study in studies]
    records = [draw_record(study, 0.0) for study in studies]
    ages = [record["age"] for record in records]
    scores = report_record_scores(reports, records, studies)
    same = np.array([[a == b for b in ages] for a in ages])
    assert (np.isfinite(scores) == same).all()


def test_knowing_more_cannot_hurt() -> None:
    others = [draw_study(4, 10_000 + index) for index in range(600)]
    ideal = image_report_scores(STUDIES, FACTS, others)
    compatible = compatibility([image_facts(study) for study in STUDIES], FACTS)
    assert (np.isfinite(ideal) <= np.isfinite(compatible)).all()
    for k in (1, 5, 10):
        for turn in (False, True):
            a, b = (scores.T if turn else scores for scores in (ideal, compatible))
            assert ceiling_recall(a, k) >= ceiling_recall(b, k) >= chance_recall(len(STUDIES), k)


def test_bounds_of_a_data_set() -> None:
    bounds = retrieval_bounds(Phantoms(cases=300), "test", ks=(1, 10), strangers=300)
    assert set(bounds) == {f"{a}_to_{b}" for a, b in permutations(("image", "report", "record"), 2)}
    for direction, table in bounds.items():
        assert table["chance/R@10"] == pytest.approx(10 / 60)
        assert table["chance/R@1"] < table["ceiling/R@1"] <= table["ceiling/R@10"] <= 1.0
        assert ("compatible/R@1" in table) == (direction in ("image_to_report", "report_to_image"))
