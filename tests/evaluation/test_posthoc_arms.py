import torch
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.compare import Result, compare
from closegap.evaluation.posthoc_arms import Correction, corrected
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
