"""Equal to pycocoevalcap's own, and a resample equal to the corpus of its cases."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

from closegap.errors import MissingExtraError, UsageError
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.captions.bleu import bleu_estimates
from closegap.metrics.captions.meteor import meteor_estimates
from closegap.metrics.captions.overlap import cider, cider_estimates, rouge_l_estimates
from closegap.metrics.captions.pairs import Captions, Tokenization, tokenized
from closegap.metrics.captions.spice import spice_estimates

Written = tuple[list[str], list[list[str]]]
Estimates = Callable[[Captions, torch.Tensor, torch.Tensor], dict[str, Sampled]]

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no java on the PATH: its scores are not checked")
TOKENS = ["plain", pytest.param("ptb", marks=needs_java)]


def measured(estimates: Estimates, captions: Captions) -> dict[str, Sampled]:
    """With two resamples: every case once, and every third case twice."""
    n = len(captions.generated)
    counts = torch.ones(2, n, dtype=torch.int16)
    counts[1] = torch.arange(n) % 3 == 0
    counts[1] *= 2
    return estimates(captions, torch.arange(n), counts)


def doubled(captions: Captions) -> Captions:
    rows = [row for row in range(0, len(captions.generated), 3) for _ in range(2)]
    return Captions(
        [captions.generated[row] for row in rows], [captions.references[row] for row in rows], captions.tokenization
    )


def theirs(module: str, name: str, captions: Captions) -> Any:
    found = pytest.importorskip(f"pycocoevalcap.{module}")
    score: Any = getattr(found, name)().compute_score(*captions.as_coco())[0]
    return score


@pytest.fixture(params=["synthetic", "roco"])
def written(request: pytest.FixtureRequest) -> Written:
    found: Written = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("tokens", TOKENS)
def test_bleu_rouge_l_and_cider_are_those_of_pycocoevalcap(written: Written, tokens: Tokenization) -> None:
    captions = tokenized(*written, tokens)
    bleu = measured(bleu_estimates, captions)
    found = [bleu[f"bleu-{n}/{tokens}"].value for n in range(1, 5)]
    assert found == pytest.approx(theirs("bleu.bleu", "Bleu", captions), rel=1e-9)
    rouge_l = measured(rouge_l_estimates, captions)[f"rouge-l/{tokens}"].value
    assert rouge_l == pytest.approx(theirs("rouge.rouge", "Rouge", captions), rel=1e-9)
    found_cider = measured(cider_estimates, captions)[f"cider/{tokens}"].value
    assert found_cider == pytest.approx(theirs("cider.cider", "Cider", captions), rel=1e-9)
    assert 0 < found[3] < found[0] < 1
    assert found_cider > 0


@needs_java
def test_a_resample_of_meteor_is_pycocoevalcaps_of_its_cases(synthetic: Written) -> None:
    captions = tokenized(*synthetic)
    found = measured(meteor_estimates, captions)["meteor/plain"]
    assert float(found.draws[1]) == pytest.approx(theirs("meteor.meteor", "Meteor", doubled(captions)), rel=1e-9)
    assert float(found.draws[0]) == pytest.approx(found.value, rel=1e-12)
    assert 0 < found.value < 1


def test_a_resample_of_bleu_is_the_bleu_of_its_cases(synthetic: Written) -> None:
    captions = tokenized(*synthetic)
    found = measured(bleu_estimates, captions)
    again = measured(bleu_estimates, doubled(captions))
    for name, value in found.items():
        assert float(value.draws[0]) == pytest.approx(value.value, rel=1e-12)
        assert float(value.draws[1]) == pytest.approx(again[name].value, rel=1e-12)
        assert float(value.draws[1]) != pytest.approx(value.value, rel=1e-6)


def test_bleu_by_hand() -> None:
    captions = tokenized(["the the the cat"], [["the cat sat", "the big cat sat on the mat"]])
    found = measured(bleu_estimates, captions)
    # "the" counts twice, as in the second reference; 3 and 7 words: 3 is nearer to 4, so nothing is too short.
    assert found["bleu-1/plain"].value == pytest.approx(3 / 4)
    assert found["bleu-2/plain"].value == pytest.approx((3 / 4 * 1 / 3) ** 0.5)
    assert found["bleu-3/plain"].value == pytest.approx(0, abs=1e-4)
    short = measured(bleu_estimates, tokenized(["the cat"], [["the cat sat"]]))
    assert short["bleu-1/plain"].value == pytest.approx(float(torch.tensor(1 - 3 / 2).exp()))


def test_nothing_generated_scores_nothing() -> None:
    captions = tokenized(["", ""], [["chest radiograph"], ["knee mri"]])
    for estimates in (bleu_estimates, rouge_l_estimates, cider_estimates):
        assert all(value.value == 0 for value in measured(estimates, captions).values())


def test_what_has_no_score_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="needs two cases at least"):
        cider(tokenized(["a"], [["a"]]))
    with pytest.raises(UsageError, match="no reference caption has a word"):
        cider(tokenized(["a", "b"], [["."], [""]]))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="METEOR needs Java"):
        measured(meteor_estimates, tokenized(["a"], [["a"]]))
    with pytest.raises(UsageError, match="SPICE needs Java"):
        measured(spice_estimates, tokenized(["a"], [["a"]]))


def test_without_pycocoevalcap_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocoevalcap.rouge.rouge", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'closegap\[caption\]'"):
        measured(rouge_l_estimates, tokenized(["a"], [["a"]]))
