import pytest
import torch
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.card import measure
from closegap.evaluation.compare import Result, compare
from closegap.evaluation.posthoc_arms import Correction, corrected
from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.couple import Counts, Couple
from closegap.posthoc import Center
from closegap.scores import Offset, Standardise


def rows(seed: int) -> EmbeddingSet:
    common = torch.randn(60, 8, generator=torch.manual_seed(seed))
    both = {name: normalize(common + place, dim=1) for name, place in (("image", 0.3), ("text", -0.3))}
    return EmbeddingSet(both, [f"{seed}-{row}" for row in range(60)])


def test_each_arm_is_compared_with_the_one_that_it_goes_on_from() -> None:
    trained = Result("losses", 3, rows(0), against="temperature")
    made = corrected(trained, Correction({"center": Center()}, {"offset": Offset()}, rows(1), rows(2)))
    found = {result.arm: result.against for result in [*made.moved.values(), *made.staged]}
    assert found == dict.fromkeys(["losses + center", "losses + offset", "losses + center + offset"], "losses")


def test_a_stage_that_is_a_control_makes_an_arm_that_is_one() -> None:
    stages = {"offset": Offset(), "standardise": Standardise(strength=1.0)}
    made = corrected(Result("losses", None, rows(0)), Correction({}, stages, rows(1), rows(2)))
    compared = compare([Result("losses", None, rows(0)), *made.staged], resamples=2)
    assert compared.report.data["controls"] == ["losses + offset"]


class Broken(Metric):
    """Fails where nobody expects it."""

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        raise RuntimeError("broken")


@pytest.mark.parametrize("cores", [1, 3])
def test_on_several_cores_the_same_is_measured_and_what_fails_is_raised(cores: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        first = Result("losses", None, rows(0))
        made = corrected(first, Correction({"center": Center()}, {"offset": Offset()}, rows(1), rows(2)))
        results = [*made.staged, first, *made.moved.values()]  # a stage before what it is laid over
        told: list[tuple[int, int]] = []
        found = compare(results, resamples=5, progress=lambda *at: told.append(at))
        assert list(found.firsts) == ["losses + offset", "losses + center + offset", "losses", "losses + center"]
        assert told == [(done, 4) for done in range(1, 5)]
        for result in results:
            alone = measure(result.embeddings, resample_counts(60, 5), stage=result.stage)
            (arm,) = (arm for arm in found.report.arms if arm.name == result.arm)
            assert {name: value.value for name, value in arm.metrics.items()} == {
                name: value.value for name, value in alone.metrics.items()
            }
        with pytest.raises(RuntimeError, match="broken"):
            compare(results, resamples=5, metrics=[Broken()])
    finally:
        torch.set_num_threads(before)
