"""Activations of frozen prefixes, kept on disk and read as they are drawn."""

import pickle
from pathlib import Path

import pytest
import torch
from tests.models.prefixed import Letters, PrefixedEncoder

from closegap.data.loader import Views, take
from closegap.errors import ClosegapError, DataError
from closegap.infer.features import FeatureCache

CPU = torch.device("cpu")
TEXTS = ["nodule", "a", "effusion", "mass", "stent"]


def _encoder(dim: int = 8) -> PrefixedEncoder:
    torch.manual_seed(dim)
    return PrefixedEncoder(dim).double().float()


@pytest.mark.parametrize(("half", "apart"), [(False, 0.0), (True, 2**-11)])
def test_what_is_kept_is_what_the_prefix_gives(tmp_path: Path, half: bool, apart: float) -> None:
    encoder = _encoder().eval()
    kept = FeatureCache(tmp_path, half=half).activations(encoder, TEXTS, CPU)
    expected = encoder.activations(Letters()([TEXTS[2], TEXTS[1], TEXTS[2]]))
    found = kept([2, 1, 2])
    assert found.lengths is not None
    assert found.lengths.tolist() == [8, 1, 8]
    assert found.values.dtype == (torch.float16 if half else torch.float32)
    torch.testing.assert_close(found.values.float(), expected.values, rtol=apart, atol=1e-7 if half else 0)
    assert len(kept) == 5
    copied = pickle.loads(pickle.dumps(kept))  # noqa: S301 - our own bytes
    assert torch.equal(copied([2, 1, 2]).values, found.values)


def test_activations_are_computed_once_whatever_becomes_of_what_is_trained(tmp_path: Path) -> None:
    encoder, cache = _encoder(), FeatureCache(tmp_path)
    first = cache.activations(encoder, TEXTS, CPU)
    ran = len(encoder.front.ran)
    with torch.no_grad():
        next(encoder.rear.parameters()).add_(1)
    again = cache.activations(encoder, [*TEXTS[::-1], "a"], CPU)
    assert len(encoder.front.ran) == ran
    assert torch.equal(again([4, 0]).values, first([0, 4]).values)
    with torch.no_grad():
        encoder.front.table.weight[3] += 1
    cache.activations(encoder, TEXTS, CPU)
    assert len(encoder.front.ran) > ran


def test_other_precisions_are_kept_apart(tmp_path: Path) -> None:
    encoder = _encoder()
    for bf16 in (False, True):
        for half in (False, True):
            FeatureCache(tmp_path, bf16, half).activations(encoder, TEXTS, CPU)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_damaged_shard_is_computed_again(tmp_path: Path) -> None:
    encoder, cache = _encoder(), FeatureCache(tmp_path)
    expected = cache.activations(encoder, TEXTS, CPU)([1]).values
    ran = len(encoder.front.ran)
    for shard in tmp_path.rglob("*.safetensors"):
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.unlink()  # a mapping of it stays what it was
        shard.write_bytes(content)
    found = cache.activations(encoder, TEXTS, CPU)
    assert len(encoder.front.ran) > ran
    assert torch.equal(found([1]).values, expected)


def test_what_half_precision_cannot_hold_is_refused(tmp_path: Path) -> None:
    encoder = _encoder()
    with torch.no_grad():
        encoder.front.table.weight.fill_(1e5)
    message = "PrefixedEncoder: activations beyond half precision; set train.half_activations to false"
    with pytest.raises(ClosegapError, match=message):
        FeatureCache(tmp_path).activations(encoder, TEXTS, CPU)
    assert FeatureCache(tmp_path, half=False).activations(encoder, TEXTS, CPU)([0]).values.max() == 1e5


def test_items_that_cannot_be_prepared_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    encoder, refused = _encoder(), dict[int, str]()
    kept = FeatureCache(tmp_path).activations(encoder, ["mass", "broken", "a"], CPU, refused=refused)
    assert refused == {1: "a broken text"}
    assert len(kept) == 2
    alone = FeatureCache(tmp_path / "alone").activations(encoder, ["a"], CPU)
    assert torch.equal(kept([1]).values, alone([0]).values)
    with pytest.raises(DataError, match="a broken text"):
        FeatureCache(tmp_path / "other").activations(encoder, ["mass", "broken"], CPU)


def test_batches_are_drawn_from_disk(tmp_path: Path) -> None:
    kept = FeatureCache(tmp_path).activations(_encoder(), TEXTS, CPU)
    given = Views(TEXTS, torch.arange(6), activations=kept)
    assert torch.equal(take(given, [3], None).values, kept([3]).values)
    assert take(given, [], None) is None
