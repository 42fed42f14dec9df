"""Scores and baselines that need no other program."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from closegap.errors import DataError, UsageError
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.captions.baselines import most_frequent_caption, nearest_training_captions
from closegap.metrics.captions.concepts import concept_estimates, reference_concepts
from closegap.metrics.captions.diversity import diversity_estimates
from closegap.metrics.captions.found_image import found_image_estimates
from closegap.metrics.captions.imageclef import imageclef_tokens, rouge_1
from closegap.metrics.captions.lexicon import Lexicon, learned_lexicon, read_lexicon

TWO = torch.arange(2)
COUNTS = torch.ones(1, 2, dtype=torch.int16)


def test_rouge_1_as_imageclef_has_it() -> None:
    assert imageclef_tokens("X-ray at 2.5 cm, 3 months: Röntgen") == [
        "xray", "at", "numbernumber", "cm", "number", "months", "r", "ntgen",
    ]  # fmt: skip
    # 2 common words of 3 and 4: "number" once, since the generated caption has it once.
    assert rouge_1(["CT 12 hours"], [["CT, 3 and 4"]]).tolist() == pytest.approx([2 * 2 / 7])
    assert rouge_1(["a b"], [["c d", "a b"]]).tolist() == [1.0]
    assert rouge_1(["", "", "."], [[""], ["a"], ["."]]).tolist() == [1.0, 0.0, 0.0]


def test_diversity_shows_a_captioner_that_says_one_thing() -> None:
    found = diversity_estimates(["CT scan", "ct scan."], [["a b c", "a"], ["a b c d"]], TWO, COUNTS)
    assert found["distinct_captions"].value == 0.5
    assert found["distinct_captions"].low is None
    assert found["mean_words"].value == 2
    assert found["mean_words/reference"].value == 3


def test_a_constant_caption_finds_images_by_chance_alone() -> None:
    n = 50
    generator = torch.Generator().manual_seed(0)
    images = normalize(torch.randn(n, 6, generator=generator), dim=1)
    groups, counts = torch.arange(n), resample_counts(n, 20)
    told = found_image_estimates(images, images, groups, counts)
    constant = found_image_estimates(images[:1].expand(n, -1), images, groups, counts)
    assert told["R@1"].value == 1
    assert constant["R@1"].value == pytest.approx(1 / n)
    assert constant["median_rank"].value == (n + 1) / 2


def test_nearest_training_caption_by_cosine() -> None:
    train = torch.tensor([[1.0, 0.0], [0.0, 5.0], [0.0, 1.0]])
    test = torch.tensor([[0.1, 3.0], [9.0, 1.0]])
    assert nearest_training_captions(test, train, ["a", "b", "c"]) == ["b", "a"]
    with pytest.raises(UsageError, match="3 training images and 1 captions"):
        nearest_training_captions(test, train, ["a"])


def test_most_frequent_caption_goes_by_the_first_of_equals() -> None:
    assert most_frequent_caption(["b", "a", "a", "b", "c"]) == "b"
    with pytest.raises(UsageError, match="no training caption"):
        most_frequent_caption([])


def test_a_lexicon_is_read_and_names_concepts(tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text("cui,term\nC1,Pleural effusion\nC2,effusion\nC1,hydrothorax\n", encoding="utf-8")
    lexicon = read_lexicon(file)
    assert lexicon.named("Hydrothorax. No pleural fluid") == {"C1"}
    assert lexicon.named("PLEURAL effusion") == {"C1", "C2"}
    assert lexicon.known == {"C1", "C2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,term\nC1,a\n", "expected the columns cui and term, found id, term"),
        ("", "found nothing"),
        ("cui,term\nC1,a\n,b\n", "line 3: expected a concept and a term"),
        ("cui,term\nC1,.\n", "line 2: expected a concept and a term"),
        ("cui,term\n", "no term in it"),
    ],
)
def test_lexicons_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "terms.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_lexicon(file)
    with pytest.raises(DataError, match="not a readable lexicon"):
        read_lexicon(tmp_path / "absent.csv")


def test_a_lexicon_is_learned_from_what_goes_together() -> None:
    captions = ["ct of lung nodule", "lung mass", "pulmonary mass", "knee mass", "ct knee"] * 6
    concepts = [["LUNG", "CT"], ["LUNG"], ["LUNG"], ["KNEE"], ["KNEE", "CT"]] * 6
    lexicon = learned_lexicon([*captions, "rare finding"], [*concepts, ["RARE"]])
    assert lexicon.named("a pulmonary mass") == {"LUNG"}
    assert lexicon.named("lung") == {"LUNG"}
    assert lexicon.named("ct") == {"CT"}
    assert lexicon.known == {"LUNG", "KNEE", "CT"}
    assert "mass" not in lexicon.concepts  # it finds more of LUNG than "pulmonary mass", and some of KNEE


def test_nothing_to_learn_says_so() -> None:
    with pytest.raises(UsageError, match="no term of the 3 training captions"):
        learned_lexicon(["a", "b", "c"], [["X"], ["X"], ["X"]])
    with pytest.raises(UsageError, match="2 training captions and the concepts of 1 cases"):
        learned_lexicon(["a", "b"], [["X"]])


def test_concept_f1_is_over_all_cases() -> None:
    lexicon = Lexicon({"mass": frozenset({"M"}), "lung": frozenset({"L"}), "knee": frozenset({"K"})}, "given")
    expected = reference_concepts([["lung mass"], ["knee", "the knee mass"]], lexicon)
    assert expected == [{"L", "M"}, {"K", "M"}]
    found = concept_estimates(["lung", "knee lung"], expected, lexicon, "reference_text", TWO, COUNTS)
    # 2 of 3 named concepts are right, 2 of 4 expected ones are named.
    assert found["concept_precision/reference_text/given"].value == pytest.approx(2 / 3)
    assert found["concept_recall/reference_text/given"].value == pytest.approx(2 / 4)
    assert found["concept_f1/reference_text/given"].value == pytest.approx(4 / 7)


def test_concepts_without_a_term_are_not_asked_for() -> None:
    lexicon = Lexicon({"lung": frozenset({"L"})}, "given")
    own = [frozenset({"L", "UNKNOWN"}), frozenset({"UNKNOWN"})]
    found = concept_estimates(["lung", ""], own, lexicon, "case_concepts", TWO, COUNTS)
    assert found["concept_f1/case_concepts/given"].value == 1
    with pytest.raises(UsageError, match="no expected concept has a term"):
        concept_estimates(["lung", ""], [frozenset({"UNKNOWN"})] * 2, lexicon, "case_concepts", TWO, COUNTS)


def test_naming_nothing_has_no_precision() -> None:
    lexicon = Lexicon({"lung": frozenset({"L"})}, "given")
    found = concept_estimates(["", ""], [frozenset({"L"})] * 2, lexicon, "case_concepts", TWO, COUNTS)
    assert found["concept_f1/case_concepts/given"].value == 0
    assert found["concept_precision/case_concepts/given"].value != found["concept_precision/case_concepts/given"].value
