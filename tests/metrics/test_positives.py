import pytest
import torch
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.metrics.positives import Pairs, case_blocks, case_sums, rows_of


def figures() -> EmbeddingSet:
    """Two figures: "b" with two captions, "a" with one; a third row of captions alone."""
    rows = normalize(torch.arange(1.0, 17.0).view(2, 4, 2), dim=2)
    return EmbeddingSet(
        embeddings={"image": rows[0], "caption": rows[1].half()},
        ids=["b", "b", "a", "c"],
        present={"image": torch.tensor([True, False, True, False])},
        groups=["q", "q", "p", "q"],
    )


def test_rows_carry_case_group_and_place() -> None:
    image, caption = rows_of(figures(), "image"), rows_of(figures(), "caption")
    assert (image.cases.tolist(), image.groups.tolist(), image.index.tolist()) == ([0, 1], [0, 1], [0, 2])
    assert (caption.cases.tolist(), caption.groups.tolist()) == ([0, 0, 1, 2], [0, 0, 1, 0])
    assert caption.embeddings.dtype == torch.float32
    first, further = caption.first_and_further()
    assert (first.index.tolist(), further.index.tolist()) == ([0, 2, 3], [1])


def test_first_rows_need_not_be_in_order() -> None:
    rows = rows_of(figures(), "caption").pick(torch.tensor([1, 3, 0, 2]))
    first, further = rows.first_and_further()
    assert (first.index.tolist(), further.index.tolist()) == ([1, 3, 2], [0])


def test_positives_are_all_rows_of_one_case() -> None:
    pairs = Pairs(torch.tensor([2, 0, 2, 5]), torch.tensor([0, 2, 1, 2, 0]))
    expected = [(0, 1), (0, 3), (1, 0), (1, 4), (2, 1), (2, 3)]
    assert list(zip(*(side.tolist() for side in pairs.positives()), strict=True)) == expected
    swapped = list(zip(*(side.tolist() for side in pairs.swapped.positives()), strict=True))
    assert sorted((x, y) for y, x in swapped) == expected
    assert pairs.cases == 6


def test_no_rows_have_no_positives() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert [len(side) for side in Pairs(nothing, nothing).positives()] == [0, 0]
    assert [len(side) for side in Pairs(nothing, torch.arange(2)).positives()] == [0, 0]


def test_case_sums_are_float64() -> None:
    sums = case_sums(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([2, 0, 2]), 3)
    assert sums.dtype == torch.float64
    assert sums.tolist() == [[3.0, 4.0], [0.0, 0.0], [6.0, 8.0]]


def test_errors() -> None:
    with pytest.raises(UsageError, match=r"expected a modality of the set \(image, caption\), got 'text'"):
        rows_of(figures(), "text")
    split = EmbeddingSet(embeddings={"image": torch.eye(2)}, ids=["a", "a"], groups=["p", "q"])
    with pytest.raises(DataError, match="row 1: case 'a' is in group 'q' and in 'p'"):
        rows_of(split, "image")


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_blocks_of_cases_hold_every_row_once(at_once: int) -> None:
    x, y = torch.tensor([4, 0, 2, 2, 4]), torch.tensor([1, 1, 5])
    blocks = list(case_blocks((x, y), 6, at_once))
    assert [number for block, _ in blocks for number in range(block.start, block.stop)] == list(range(6))
    for number, side in enumerate((x, y)):
        rows = [row for _, sides in blocks for row in sides[number].tolist()]
        assert sorted(rows) == list(range(len(side)))
        for block, sides in blocks:
            assert all(block.start <= case < block.stop for case in side[sides[number]].tolist())
