from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from tests.distributed.ranks import run_on_ranks
from tests.training.tiny import tiny_run

from closegap.data import Case
from closegap.infer.embed import embed
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import prepare
from closegap.models import CodeSetEncoder, Model, SmallTextEncoder

CPU = torch.device("cpu")
CASES = [
    Case(
        "x",
        "test",
        "p",
        {"report": ("left", "right", "both"), "concepts": (("C1",), ("C2",))},
        {"organ": "lung"},
        ("C1",),
    ),
    Case("y", "test", "p", {"concepts": (("C3",),)}, {"side": "left"}),
    Case("z", "test", "q", {"report": ("normal",)}),
]


def _model() -> Model:
    torch.manual_seed(0)
    report = SmallTextEncoder(dim=8, layers=1, heads=1, buckets=64)
    return Model({"report": report, "concepts": CodeSetEncoder(dim=8, buckets=64)}, dim=6)


def _direct(model: Model, name: str, item: object) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval().encode(name, model.encoder(name).preparer()([item]))[0]
    return found


def test_a_case_takes_as_many_rows_as_its_richest_modality_has_views() -> None:
    model = _model()
    found = embed(model, prepare(CASES, model, None, CPU), CPU, batch_size=2)
    assert found.modalities == ("report", "concepts")
    assert found.ids == ["x", "x", "x", "y", "z"]
    assert found.groups == ["p", "p", "p", "p", "q"]
    assert found.mask("report").tolist() == [True, True, True, False, True]
    assert found.mask("concepts").tolist() == [True, True, False, True, False]
    expected: dict[str, dict[int, object]] = {
        "report": {0: "left", 1: "right", 2: "both", 4: "normal"},
        "concepts": {0: ("C1",), 1: ("C2",), 3: ("C3",)},
    }
    for name, rows in expected.items():
        for row in range(5):
            value = _direct(model, name, rows[row]) if row in rows else torch.zeros(6)
            torch.testing.assert_close(found.embeddings[name][row], value, atol=1e-5, rtol=1e-5)


def _embedded() -> tuple[dict[str, torch.Tensor], int]:
    """Embeddings of the cases, and how many items this process put through the model."""
    model, seen = _model(), 0

    def counted(name: str, inputs: Any) -> torch.Tensor:
        nonlocal seen
        found = Model.encode(model, name, inputs)
        seen += len(found)
        return found

    with patch.object(model, "encode", counted):
        return dict(embed(model, prepare(CASES, model, None, CPU), CPU, batch_size=2).embeddings), seen


@pytest.mark.parametrize(("processes", "items"), [(2, 4), (3, 3), (5, 2)])  # of four reports and three concept sets
def test_processes_share_the_work_and_all_get_the_whole(processes: int, items: int, tmp_path: Path) -> None:
    expected, seen = _embedded()
    assert seen == 7
    for found, seen in run_on_ranks(processes, _embedded, tmp_path):
        assert seen == items
        for name, rows in expected.items():
            torch.testing.assert_close(found[name], rows, atol=1e-6, rtol=1e-6)


def test_rows_carry_what_is_known_of_their_case() -> None:
    model = _model()
    found = embed(model, prepare(CASES, model, None, CPU), CPU)
    assert found.labels == {"organ": ["lung", "lung", "lung", "", ""], "side": ["", "", "", "left", ""]}
    assert found.concepts == [("C1",), ("C1",), ("C1",), (), ()]
    bare = embed(model, prepare(CASES[2:], model, None, CPU), CPU)
    assert bare.concepts is None
    assert bare.labels == {}


def test_the_model_is_evaluated_and_left_in_its_mode() -> None:
    model = _model()
    split = prepare(CASES, model, None, CPU)
    for training in (True, False):
        model.train(training)
        first, second = embed(model, split, CPU), embed(model, split, CPU)
        assert torch.equal(first.embeddings["report"], second.embeddings["report"])
        assert model.training == model.encoder("report").training == training


def test_embeddings_can_be_learnt_from() -> None:
    model = _model()
    values = embed(model, prepare(CASES, model, None, CPU), CPU).embeddings["report"]
    assert not values.requires_grad
    weight = torch.ones(6, requires_grad=True)
    (values @ weight).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None


def test_cached_features_give_the_same_embeddings(cache: Path) -> None:
    run = tiny_run(modalities=("report", "record", "concepts"), frozen=("report", "record"))
    cases = [row for row in run.data.rows() if isinstance(row, Case) and row.split == "test"]
    plain = prepare(cases, run.model, None, CPU)
    cached = prepare(cases, run.model, FeatureCache(cache), CPU)
    assert {name: views.features is not None for name, views in cached.views.items()} == {
        "report": True,
        "record": True,
        "concepts": False,
    }
    one, other = embed(run.model, plain, CPU), embed(run.model, cached, CPU)
    for name in run.model.modalities:
        assert torch.equal(one.mask(name), other.mask(name))
        torch.testing.assert_close(one.embeddings[name], other.embeddings[name], atol=1e-6, rtol=1e-5)


def test_no_cases_make_no_rows() -> None:
    model = _model()
    found = embed(model, prepare([], model, None, CPU), CPU)
    assert found.ids == []
    assert found.embeddings["report"].shape == (0, 6)
