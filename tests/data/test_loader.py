from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from closegap.batch import Batch, Features
from closegap.data import Case
from closegap.data.loader import Draws, GlobalBatches, Preparer, Views, group_numbers, loader, take, views
from closegap.data.orders import shuffled
from closegap.errors import DataError
from closegap.models.towers.codes import CodePreparer
from closegap.models.towers.image_preparer import ImagePreparer
from closegap.models.towers.small import WordPreparer

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 4), st.integers(1, 4)).filter(lambda s: s[0] >= s[1] * s[2])


@given(sizes=SIZES, seed=st.integers(0, 99))
def test_ranks_share_every_global_batch(sizes: tuple[int, int, int], seed: int) -> None:
    cases, share, world = sizes
    steps = 2 * (cases // (share * world)) + 1
    order = shuffled(cases, seed)
    whole = list(GlobalBatches(cases, share * world, steps, order))
    ranks = [
        list(GlobalBatches(cases, share * world, steps, order, rank=rank, world_size=world)) for rank in range(world)
    ]
    assert [list(chain(*parts)) for parts in zip(*ranks, strict=True)] == whole
    assert len(whole) == len(GlobalBatches(cases, share * world, steps, order)) == steps


@given(sizes=SIZES, seed=st.integers(0, 99))
def test_an_epoch_draws_no_case_twice_and_leaves_out_the_incomplete_batch(
    sizes: tuple[int, int, int], seed: int
) -> None:
    cases, share, world = sizes
    batches = GlobalBatches(cases, share * world, 3 * (cases // (share * world)), shuffled(cases, seed))
    drawn: dict[int, list[int]] = {}
    for batch in batches:
        assert len(batch) == share * world
        for epoch, case in batch:
            drawn.setdefault(epoch, []).append(case)
    assert list(drawn) == [0, 1, 2]
    for order in drawn.values():
        assert len(set(order)) == len(order) == batches.steps_per_epoch * share * world
        assert set(order) <= set(range(cases))


def test_whole_epochs_are_permutations_of_their_own() -> None:
    orders: dict[tuple[int, int], list[int]] = {}
    for seed in (0, 1):
        for batch in GlobalBatches(60, 10, 12, shuffled(60, seed)):
            for epoch, case in batch:
                orders.setdefault((seed, epoch), []).append(case)
    assert all(sorted(order) == list(range(60)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 4
    assert list(range(60)) not in orders.values()


@given(start=st.integers(0, 11))
def test_a_run_that_goes_on_takes_the_batches_it_would_have_taken(start: int) -> None:
    whole = list(GlobalBatches(23, 4, 11, shuffled(23, 3), rank=1, world_size=2))
    tail = GlobalBatches(23, 4, 11, shuffled(23, 3), start=start, rank=1, world_size=2)
    assert list(tail) == whole[start:]
    assert len(tail) == 11 - start
    assert list(tail) == whole[start:]  # again: nothing is used up


def test_batches_that_cannot_be_had_are_refused() -> None:
    with pytest.raises(DataError, match=r"7 training cases, a batch needs 8; lower --train\.batch_size"):
        GlobalBatches(7, 8, 1, shuffled(7, 0))
    with pytest.raises(DataError, match="a batch of 8 cannot be shared by 3 processes; make it a multiple"):
        GlobalBatches(70, 8, 1, shuffled(70, 0), world_size=3)


def _cases() -> list[Case]:
    """Texts in several views, and concepts that every third case lacks."""
    cases = []
    for number in range(24):
        modalities: dict[str, tuple[Any, ...]] = {
            "report": tuple(f"case {number} view {view}" for view in range(1 + number % 3)),
            "concepts": () if number % 3 == 2 else ((f"C{number}",),),
        }
        held = {name: items for name, items in modalities.items() if items}
        cases.append(Case(f"{number}", "train", f"patient {number // 2}", held))
    return cases


PREPARERS: Mapping[str, Preparer] = {"report": WordPreparer(1 << 20, 8), "concepts": CodePreparer(1 << 20)}


def _draws(seed: int = 0) -> Draws:
    cases = _cases()
    groups = group_numbers([case.group for case in cases])
    return Draws({name: views(cases, name) for name in PREPARERS}, groups, PREPARERS, seed)


def _equal(one: Batch, other: Batch) -> bool:
    pairs = [(one.groups, other.groups)]
    pairs += [(one.inputs[name], other.inputs[name]) for name in PREPARERS]
    pairs += [(one.rows[name], other.rows[name]) for name in PREPARERS]
    return all(torch.equal(a, b) for a, b in pairs)


def test_views_keep_cases_apart() -> None:
    cases = _cases()
    reports = views(cases, "report")
    assert reports.starts.tolist()[:5] == [0, 1, 3, 6, 7]
    assert [item for case in cases for item in case.views["report"]] == reports.items
    assert views(cases, "concepts").starts.tolist()[:5] == [0, 1, 2, 2, 3]
    nothing = views(cases, "image")
    assert (len(nothing.items), nothing.starts.tolist()) == (0, [0] * 25)


def test_groups_are_numbered_as_they_come() -> None:
    assert group_numbers(["b", "a", "b", "c", "a"]).tolist() == [0, 1, 0, 2, 1]
    assert group_numbers([]).dtype == torch.long


def test_a_batch_holds_what_its_cases_have() -> None:
    batch = _draws().__getitems__([(0, 5), (0, 0), (0, 3), (0, 4)])
    assert batch.groups.tolist() == [2, 0, 1, 2]
    assert batch.rows["report"].tolist() == [0, 1, 2, 3]
    assert batch.rows["concepts"].tolist() == [1, 2, 3]
    assert torch.equal(batch.inputs["concepts"], PREPARERS["concepts"]([("C0",), ("C3",), ("C4",)]))
    assert torch.equal(batch.inputs["report"][1:3], PREPARERS["report"](["case 0 view 0", "case 3 view 0"]))
    assert len(_draws()) == 24


def test_a_modality_that_no_case_of_the_batch_has_is_none() -> None:
    batch = _draws().__getitems__([(0, 2), (0, 5)])
    assert batch.inputs["concepts"] is None
    assert batch.rows["concepts"].tolist() == []


def test_views_are_drawn_by_seed_epoch_and_case_alone() -> None:
    alone = _draws().__getitems__([(4, 5)])
    together = _draws().__getitems__([(4, 2), (4, 5), (3, 5)])
    assert torch.equal(together.inputs["report"][1], alone.inputs["report"][0])
    many = [(epoch, case) for epoch in range(6) for case in (0, 2, 5, 8)]
    assert _equal(_draws(0).__getitems__(many), _draws(0).__getitems__(many))
    assert not _equal(_draws(0).__getitems__(many), _draws(1).__getitems__(many))


def test_every_view_is_drawn_about_as_often() -> None:
    epochs = 300
    found = Counter(
        tuple(row.flatten().tolist()) for row in _draws().__getitems__([(e, 5) for e in range(epochs)]).inputs["report"]
    )
    assert len(found) == 3
    assert min(found.values()) > epochs / 3 - 4 * (epochs * 2 / 9) ** 0.5


def test_modalities_draw_their_views_independently() -> None:
    texts = {name: views([Case("a", "train", "a", {name: ("left", "right")})], name) for name in ("x", "y")}
    draws = Draws(texts, torch.tensor([0]), dict.fromkeys("xy", WordPreparer(64, 4)), 0)
    batch = draws.__getitems__([(epoch, 0) for epoch in range(200)])
    same = (batch.inputs["x"] == batch.inputs["y"]).flatten(1).all(1).float().mean().item()
    assert 0.35 < same < 0.65


def test_names_that_are_alike_draw_the_same_views() -> None:
    texts = {name: views([Case("a", "train", "a", {name: ("left", "right")})], name) for name in ("x", "y")}
    draws = Draws(texts, torch.tensor([0]), dict.fromkeys("xy", WordPreparer(64, 4)), 0, alike={"y": "x"})
    batch = draws.__getitems__([(epoch, 0) for epoch in range(50)])
    assert torch.equal(batch.inputs["x"], batch.inputs["y"])
    assert len(batch.inputs["x"].unique(dim=0)) == 2


def test_features_and_prepared_items_are_looked_up() -> None:
    values = torch.arange(12.0).view(4, 3)
    features = take(Views("abcd", torch.arange(5), features=values), [2, 0], None)
    assert isinstance(features, Features)
    assert torch.equal(features.values, values[[2, 0]])
    assert take(Views("abcd", torch.arange(5), features=values), [], None).values.shape == (0, 3)
    assert torch.equal(take(Views("abcd", torch.arange(5), inputs=values), range(1, 3), None), values[1:3])
    assert take(Views("abcd", torch.arange(5)), [], WordPreparer(64, 4)) is None


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_batches_do_not_depend_on_the_number_of_workers() -> None:
    def batches(workers: int, start: int = 0) -> list[Batch]:
        return list(loader(_draws(), GlobalBatches(24, 4, 9, shuffled(24, 2), start=start), workers, pin_memory=False))

    alone = batches(0)
    assert len(alone) == 9
    for workers in (1, 3):
        torch.rand(1)  # other randomness changes nothing
        assert all(_equal(one, other) for one, other in zip(alone, batches(workers), strict=True))
    assert all(_equal(one, other) for one, other in zip(alone[5:], batches(1, start=5), strict=True))


def test_a_worker_says_which_item_it_could_not_prepare(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    given = {"image": Views(paths, torch.arange(5))}
    draws = Draws(given, torch.arange(4), {"image": ImagePreparer(8)}, 0)
    for workers in (0, 1):
        with pytest.raises(DataError, match=r"^[^\n]*[0-3]\.png[^\n]*$"):  # one line, no trace
            list(loader(draws, GlobalBatches(4, 2, 1, shuffled(4, 0)), workers, pin_memory=False))
