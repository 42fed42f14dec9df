from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from closegap.batch import Batch, Features
from closegap.errors import UsageError
from closegap.models import (
    CodeSetEncoder,
    FixedTemperature,
    LearnableTemperature,
    LinearHead,
    MLPHead,
    Model,
    RecordEncoder,
    SmallTextEncoder,
)

TEXTS = ["left lung mass", "normal", "no effusion in the chest", "nodule"]
SETS = [("C1",), ("C2", "C3"), ("C1", "C3"), ("C4",)]
RECORDS = [{"age": 40.0}, {"age": 50.0}, {"age": None}, {"age": 90.0}]
ITEMS: Mapping[str, Sequence[Any]] = {"report": TEXTS, "concepts": SETS, "record": RECORDS}


def _model(dim: int = 8) -> Model:
    torch.manual_seed(0)
    encoders = {
        "report": SmallTextEncoder(dim=16, layers=1, heads=2, buckets=64),
        "concepts": CodeSetEncoder(dim=6, buckets=64),
        "record": RecordEncoder(["age"], dim=12, hidden=8),
    }
    return Model(encoders, dim, head=partial(MLPHead, hidden=10)).eval()


def _batch(model: Model, rows: Mapping[str, list[int]], n: int = 4) -> Batch:
    preparers = model.preparers()
    inputs = {
        name: preparers[name]([ITEMS[name][row] for row in given]) if given else None for name, given in rows.items()
    }
    return Batch(inputs, {name: torch.tensor(given, dtype=torch.long) for name, given in rows.items()}, torch.arange(n))


ALL = {name: [0, 1, 2, 3] for name in ITEMS}
SOME = st.lists(st.integers(0, 3), unique=True).map(sorted)


def test_embeddings_are_unit_vectors_in_one_space() -> None:
    model = _model()
    embeddings, present, temperature = model(_batch(model, ALL), 0.5)
    assert tuple(embeddings) == model.modalities == ("report", "concepts", "record")
    for name, values in embeddings.items():
        assert (values.shape, values.dtype) == ((4, 8), torch.float32)
        torch.testing.assert_close(values.norm(dim=1), torch.ones(4))
        assert present[name].tolist() == [True] * 4
    assert temperature.item() == pytest.approx(0.07)


@given(rows=st.fixed_dictionaries(dict.fromkeys(ITEMS, SOME)))
def test_absent_rows_are_zero_and_present_ones_unmoved(rows: dict[str, list[int]]) -> None:
    model = _model()
    with torch.no_grad():
        whole, _, _ = model(_batch(model, ALL))
        embeddings, present, _ = model(_batch(model, rows))
    for name, given_rows in rows.items():
        assert present[name].tolist() == [row in given_rows for row in range(4)]
        expected = whole[name].masked_fill(~present[name].unsqueeze(1), 0.0)
        torch.testing.assert_close(embeddings[name], expected, atol=1e-5, rtol=1e-5)


def test_absent_rows_give_no_gradient() -> None:
    model = _model()
    embeddings, present, _ = model(_batch(model, {**ALL, "concepts": [1, 2]}))
    absent = ~present["concepts"]
    (1000 * embeddings["concepts"][absent]).sum().backward()
    parts = (model.encoder("concepts"), model.heads["concepts"])
    for parameter in (p for part in parts for p in part.parameters()):
        assert parameter.grad is not None
        assert not parameter.grad.any()


def test_a_modality_that_no_row_has_gives_zero_gradients_rather_than_none() -> None:
    model = _model().train()
    embeddings, present, temperature = model(_batch(model, {**ALL, "record": []}))
    assert embeddings["record"].tolist() == [[0.0] * 8] * 4
    assert not present["record"].any()
    total = sum((values.square().sum() + values.sum() for values in embeddings.values()), temperature)
    assert isinstance(total, Tensor)
    total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all()
        if ".record." in name:
            assert not parameter.grad.any()


def test_a_frozen_tower_that_no_row_has_is_left_alone() -> None:
    model = _model()
    model.encoder("record").requires_grad_(False)
    embeddings, _, _ = model(_batch(model, {**ALL, "record": []}))
    embeddings["record"].sum().backward()
    assert all(parameter.grad is None for parameter in model.encoder("record").parameters())
    assert all(parameter.grad is not None for parameter in model.heads["record"].parameters())


def test_given_features_take_the_place_of_the_tower() -> None:
    model = _model()
    batch = _batch(model, {**ALL, "record": [3, 0]})
    features = {name: Features(model.features(name, given)) for name, given in batch.inputs.items()}
    for name, given_features in features.items():
        assert model.features(name, given_features) is given_features.values
    through, present, _ = model(batch)
    passed, passed_present, _ = model(Batch(features, batch.rows, batch.groups))
    for name in model.modalities:
        assert torch.equal(passed[name], through[name])
        assert torch.equal(passed_present[name], present[name])


def test_forward_is_encode_and_encode_is_project() -> None:
    model = _model()
    batch = _batch(model, ALL)
    embeddings, _, _ = model(batch)
    for name in model.modalities:
        features = model.encoder(name)(batch.inputs[name])
        expected = model.heads[name](features)
        expected = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(model.encode(name, batch.inputs[name]), expected)
        torch.testing.assert_close(embeddings[name], expected)


def test_embeddings_are_float32_under_autocast() -> None:
    model = _model()
    batch = _batch(model, {**ALL, "record": [0]})
    plain, _, _ = model(batch)
    with torch.autocast("cpu", torch.bfloat16):
        embeddings, _, _ = model(batch)
    for name, values in embeddings.items():
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, plain[name], atol=0.05, rtol=0)
        rows = batch.rows[name]
        torch.testing.assert_close(values[rows].norm(dim=1), torch.ones(len(rows)))


@pytest.mark.parametrize("names", [[], ["report"]])
def test_one_modality_is_not_enough(names: list[str]) -> None:
    with pytest.raises(UsageError, match=r"model\.encoders: \[.*\] given; at least two modalities are needed"):
        Model({name: SmallTextEncoder(dim=8, layers=1, heads=1) for name in names})


def test_defaults_are_clips() -> None:
    model = Model({name: CodeSetEncoder(dim=6, buckets=64) for name in "ab"})
    assert isinstance(model.temperature, LearnableTemperature)
    assert all(isinstance(head, LinearHead) and tuple(head.weight.shape) == (512, 6) for head in model.heads.values())


def test_heads_are_not_shared() -> None:
    model = Model({name: CodeSetEncoder(dim=6, buckets=64) for name in "ab"}, temperature=FixedTemperature())
    first, second = (head.weight for head in model.heads.values())
    assert isinstance(first, nn.Parameter)
    assert not torch.equal(first, second)  # type: ignore[arg-type]


def test_fit_reaches_the_towers() -> None:
    model = _model()
    model.fit({"record": RECORDS, "report": TEXTS})
    assert model.get_buffer("encoders.record.mean").tolist() == [60.0]


def test_a_batch_moves_whole() -> None:
    model = _model()
    batch = _batch(model, {**ALL, "concepts": []})
    features = Batch({"x": Features(torch.zeros(2, 3)), "y": {"ids": torch.zeros(2)}}, {}, torch.zeros(2))
    moved = batch.to("meta")
    assert moved.inputs["report"].is_meta
    assert all(tensor.is_meta for tensor in moved.inputs["record"])
    assert moved.inputs["concepts"] is None
    assert moved.rows["record"].is_meta
    assert moved.groups.is_meta
    assert features.to("meta").inputs["x"].values.is_meta
    assert features.to("meta").inputs["y"]["ids"].is_meta
    assert not batch.groups.is_meta
