from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from closegap.data import content_digests
from closegap.infer.features import FeatureCache
from closegap.kinds import CodesKind, ImageKind, RecordKind, TextKind
from closegap.models import CodeSetEncoder, Encoder, RecordEncoder, SmallImageEncoder

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Lengths:
    scale: float = 1.0

    def __call__(self, items: Sequence[Any]) -> Tensor:
        sizes = [len(item.read_bytes()) if isinstance(item, Path) else len(str(item)) for item in items]
        return self.scale * torch.tensor(sizes, dtype=torch.float32).view(-1, 1)


class Counting(Encoder):
    """A frozen tower that counts what it is asked."""

    takes = TextKind

    def __init__(self, weight: float = 1.0, scale: float = 1.0) -> None:
        super().__init__()
        self.dim = 3
        self.scale = scale
        self.weight = nn.Parameter(torch.full((1, 3), weight), requires_grad=False)
        self.drop = nn.Dropout(0.9)
        self.batches: list[int] = []

    def preparer(self) -> Callable[[Sequence[Any]], Tensor]:
        return Lengths(self.scale)

    def forward(self, inputs: Tensor) -> Tensor:
        self.batches.append(len(inputs))
        values: Tensor = self.drop(inputs @ self.weight)
        return values


@dataclass(frozen=True)
class Drawn:
    """An image that is no file."""

    level: int
    opened: list[int] = field(default_factory=list, compare=False)

    def open(self) -> Image.Image:
        self.opened.append(self.level)
        return Image.new("L", (8, 8), self.level)

    def fingerprint(self) -> bytes:
        return bytes([self.level])


def _features(cache: Path, encoder: Encoder, items: Sequence[Any], **options: Any) -> Tensor:
    return FeatureCache(cache).features(encoder, items, CPU, **options)


def test_features_are_computed_once(cache: Path) -> None:
    encoder, items = Counting(), ["a", "bbb", "cc", "dddd", "ee"]
    expected = torch.tensor([1.0, 3, 2, 4, 2]).view(-1, 1).expand(5, 3)
    assert torch.equal(_features(cache, encoder, items, batch_size=2), expected)
    assert encoder.batches == [2, 2, 1]
    assert torch.equal(_features(cache, encoder, items[::-1]), expected.flip(0))
    assert torch.equal(_features(cache, Counting(), items[1:3]), expected[1:3])  # another encoder with the same weights
    assert encoder.batches == [2, 2, 1]
    assert torch.equal(_features(cache, encoder, [*items, "fffff"])[-1], torch.full((3,), 5.0))
    assert encoder.batches == [2, 2, 1, 1]


def test_an_item_that_comes_often_is_computed_once(cache: Path) -> None:
    encoder = Counting()
    found = _features(cache, encoder, ["a", "bb", "a", "a"])
    assert found[:, 0].tolist() == [1.0, 2.0, 1.0, 1.0]
    assert encoder.batches == [2]


def test_nothing_gives_nothing(cache: Path) -> None:
    assert _features(cache, Counting(), []).shape == (0, 3)


def test_other_weights_or_preparation_find_nothing_stale(cache: Path) -> None:
    assert _features(cache, Counting(), ["aa"]).tolist() == [[2.0] * 3]
    assert _features(cache, Counting(weight=2.0), ["aa"]).tolist() == [[4.0] * 3]
    assert _features(cache, Counting(scale=5.0), ["aa"]).tolist() == [[10.0] * 3]
    assert _features(cache, Counting(), ["aa"]).tolist() == [[2.0] * 3]


def test_a_changed_file_is_computed_again_and_a_moved_one_is_not(cache: Path, tmp_path: Path) -> None:
    encoder = SmallImageEncoder(size=16, widths=(8, 8), grid=1).requires_grad_(False)
    image = tmp_path / "image.png"
    Image.new("L", (9, 9), 20).save(image)
    first = _features(cache, encoder, [image])
    Image.linear_gradient("L").save(image)
    second = _features(cache, encoder, [image])
    assert not torch.equal(first, second)
    encoder.forward = None  # type: ignore[assignment,method-assign] # nothing may be computed any more
    assert torch.equal(_features(cache, encoder, [image.rename(tmp_path / "moved.png")]), second)


def test_records_sets_and_image_sources_are_found_by_content(cache: Path) -> None:
    record = RecordEncoder(["age"], ["sex"], dim=4, hidden=4).requires_grad_(False)
    concepts = CodeSetEncoder(dim=4, buckets=64).requires_grad_(False)
    image = SmallImageEncoder(size=16, widths=(8, 8), grid=1).requires_grad_(False)
    kinds: list[tuple[Encoder, list[Any]]] = [
        (record, [{"age": 4.0, "sex": "F"}, {"age": None, "sex": "F"}]),
        (concepts, [("C1", "C2"), ("C1",), ()]),
        (image, [Drawn(3), Drawn(200)]),
    ]
    for encoder, items in kinds:
        direct = encoder.eval()(encoder.preparer()(items))
        assert torch.equal(_features(cache, encoder, items), direct)
        encoder.forward = None  # type: ignore[assignment,method-assign]
        assert torch.equal(_features(cache, encoder, items), direct)
    drawn = Drawn(3)
    _features(cache, image, [drawn])
    assert drawn.opened == []


def test_digests_tell_items_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("L", (2, 2)).save(file)
    found = [
        *content_digests(TextKind(), ["C1"]),
        *content_digests(CodesKind(), [("C1",), ("C1", "C2"), ("C1C2",)]),
        *content_digests(RecordKind(), [{"C1": "C2"}, {"C1": None}, {"C1": 1.0}]),
        *content_digests(ImageKind(), [Drawn(1), file, Image.open(file)]),
    ]
    assert len(set(found)) == len(found) == 10
    records = [{"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}]
    assert len(set(content_digests(RecordKind(), records))) == 1


def test_features_are_constants_that_heads_can_learn_from(cache: Path) -> None:
    found = _features(cache, Counting(), ["a", "b"])
    weight = torch.ones(3, requires_grad=True)
    (found @ weight).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert not found.requires_grad


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "other"])
def test_a_damaged_shard_is_computed_again(cache: Path, damage: str) -> None:
    encoder = Counting()
    _features(cache, encoder, ["a", "bb"])
    (shard,) = cache.rglob("*.safetensors")
    content = shard.read_bytes()
    if damage == "other":
        save_file({"features": torch.zeros(2, 3)}, shard)
    else:
        shard.write_bytes({"cut": content[:-5], "empty": b"", "noise": b"x" * 500}[damage])
    assert _features(cache, encoder, ["a", "bb"])[:, 0].tolist() == [1.0, 2.0]
    assert encoder.batches == [2, 2]
    assert _features(cache, encoder, ["a", "bb"])[:, 0].tolist() == [1.0, 2.0]
    assert encoder.batches == [2, 2]


def test_what_was_computed_before_a_failure_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Counting):
        def forward(self, inputs: Tensor) -> Tensor:
            if len(self.batches) == 3:
                raise KeyboardInterrupt
            return super().forward(inputs)

    monkeypatch.setattr("closegap.infer.features._SHARD", 2)
    Failing.__qualname__ = Counting.__qualname__
    items = ["a", "bb", "ccc", "dddd", "eeeee"]
    with pytest.raises(KeyboardInterrupt):
        _features(cache, Failing(), items, batch_size=1)
    assert len(list(cache.rglob("*.safetensors"))) == 1
    assert not [path for path in cache.rglob(".*") if path.is_file()]
    encoder = Counting()
    assert _features(cache, encoder, items)[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert sum(encoder.batches) == 3


def test_progress_counts_what_is_missing(cache: Path) -> None:
    told: list[tuple[int, int]] = []
    _features(cache, Counting(), ["a"])
    _features(cache, Counting(), ["a", "b", "c", "d"], batch_size=2, progress=lambda *given: told.append(given))
    assert told == [(2, 3), (3, 3)]


def test_prepared_items_are_kept_too(cache: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def prepare(items: Sequence[str]) -> Tensor:
        calls.append(len(items))
        return torch.tensor([[len(item), 7] for item in items], dtype=torch.uint8)

    expected = torch.tensor([[1, 7], [2, 7]], dtype=torch.uint8)
    for _ in range(2):
        found = FeatureCache(cache).inputs(prepare, TextKind(), ["a", "bb"])
        assert found.dtype == torch.uint8
        assert torch.equal(found, expected)
    assert calls == [2]


def test_shards_are_plain_tensors(cache: Path) -> None:
    _features(cache, Counting(), ["a", "bb"])
    (shard,) = cache.rglob("*.safetensors")
    held: Mapping[str, Tensor] = load_file(shard)
    assert [row.numpy().tobytes().hex() for row in held["keys"]] == content_digests(TextKind(), ["a", "bb"])
    assert held["rows"].tolist() == [[1.0] * 3, [2.0] * 3]


class Ordered(Counting):
    """Texts are as long as they have letters."""

    def lengths(self, items: Sequence[Any]) -> Sequence[int]:
        return [len(item) for item in items]

    def forward(self, inputs: Tensor) -> Tensor:
        assert len(set(inputs.flatten().tolist())) == 1  # a batch is of one length
        return super().forward(inputs)


def test_items_of_one_length_share_a_batch(tmp_path: Path) -> None:
    texts = ["aaa", "b", "ccc", "d", "eee", "f", "ggg", "h"]
    found = FeatureCache(tmp_path).features(Ordered(), texts, CPU, batch_size=4)
    assert found[:, 0].tolist() == [3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0]


def test_features_of_another_precision_are_kept_apart(tmp_path: Path) -> None:
    encoder = Counting(weight=1 / 3)
    exact = FeatureCache(tmp_path).features(encoder, ["a", "bb"], CPU)
    rounded = FeatureCache(tmp_path, bf16=True).features(encoder, ["a", "bb"], CPU)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, atol=0, rtol=2**-7)
    assert torch.equal(FeatureCache(tmp_path).features(encoder, ["a", "bb"], CPU), exact)
