import csv
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.export.conftest import MODALITIES, random_set
from tests.real import REAL, needs_real
from torch.utils._pytree import tree_leaves

from closegap.cli import main
from closegap.errors import ClosegapError, UsageError
from closegap.export.affine import affine_posthoc
from closegap.export.onnx_folder import DESCRIPTION, write_onnx
from closegap.export.precision import Precision, narrow
from closegap.files import file_digest
from closegap.models import Encoder, LatentSemanticEncoder, LinearHead, Model, RecordEncoder, SmallTextEncoder
from closegap.posthoc import Canonical, ReAlign, Shift

ROOT = Path(__file__).parents[2]
TEXTS = ["A large effusion on the left.", "nodule", "normal chest ct of the lung and no masses, no nodule, no effusion"]


@pytest.fixture(scope="module")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes of a saved model."""
    folder = tmp_path_factory.mktemp("onnx")
    model.save_pretrained(folder / "model")
    out = folder / "graphs"
    assert main(["export", str(folder / "model"), "--onnx", str(out), "--data", "Two records."]) == 0
    return out


def embedded(folder: Path, model: Model, name: str, items: Any) -> np.ndarray:
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
    leaves = [leaf.numpy() for leaf in tree_leaves(model.encoder(name).preparer()(items))]
    found: np.ndarray = session.run(None, dict(zip((one.name for one in session.get_inputs()), leaves, strict=True)))[0]
    return found


def test_the_folder_says_what_is_in_it(exported: Path, model: Model) -> None:
    said = json.loads((exported / DESCRIPTION).read_text(encoding="utf-8"))
    assert (said["format"], said["precision"], said["posthoc"]) == (1, "fp32", "Whiten")
    assert list(said["modalities"]) == list(MODALITIES)
    for name, one in said["modalities"].items():
        session = onnxruntime.InferenceSession(exported / one["graph"])
        given = [(found.name, found.shape) for found in session.get_inputs()]
        assert given == [(found["name"], found["axes"]) for found in one["inputs"]], name
        assert [found.name for found in session.get_outputs()] == [one["output"]]
        assert one["width"] == 8
    assert said["files"] == {name: file_digest(exported / name) for name in said["files"]}
    assert {"image.onnx", "report.onnx", "record.onnx", "report/tokenizer.json"} == said["files"].keys()
    assert "Two records." in (exported / "README.md").read_text(encoding="utf-8")
    assert not list(exported.parent.glob(".*unfinished"))


@needs_real("covid_cxr")
def test_graphs_give_what_the_model_gives_of_real_items(exported: Path, model: Model) -> None:
    with (REAL / "covid_cxr" / "cases.csv").open(newline="", encoding="utf-8") as file:
        cases = [row for row in csv.DictReader(file) if row["split"] == "test"]
    numbers = ({name: float(row[name]) for name in ("age", "temperature") if row[name]} for row in cases)
    items: Mapping[str, list[Any]] = {
        "image": [REAL / "covid_cxr" / row["image"] for row in cases],
        "report": [row["caption"] for row in cases],
        "record": [{**known, "sex": row["sex"] or None} for known, row in zip(numbers, cases, strict=True)],
    }
    rows = model.embed(image=items["image"], report=items["report"], record=items["record"])
    for name, of_name in items.items():
        expected = rows[name].numpy()
        assert np.abs(embedded(exported, model, name, of_name) - expected).max() < 1e-4
        assert np.abs(embedded(exported, model, name, of_name[:1]) - expected[:1]).max() < 1e-4
        assert np.ptp(expected, axis=0).max() > 0.01  # items are told apart


@pytest.mark.parametrize(("precision", "kind", "away"), [("fp16", "FLOAT16", 0.01), ("int8", "INT8", 0.1)])
@pytest.mark.parametrize("name", ["report", "record"])
def test_smaller_weights_embed_nearby(
    exported: Path, model: Model, tmp_path: Path, name: str, precision: Precision, kind: str, away: float
) -> None:
    path = tmp_path / f"{name}.onnx"
    path.write_bytes((exported / path.name).read_bytes())
    narrow(path, precision)
    items: Any = TEXTS if name == "report" else [{"age": 50.0, "temperature": 1e6, "sex": "f"}, {}, {"sex": "m"}]
    expected = model.embed(**{name: items})[name].numpy()
    found = embedded(tmp_path, model, name, items)
    assert 0 < np.abs(found - expected).max() < away
    kinds = {onnx.TensorProto.DataType.Name(one.data_type) for one in onnx.load(path).graph.initializer}
    assert kind in kinds
    assert list(tmp_path.iterdir()) == [path]


def test_a_program_without_closegap_finds_the_same(exported: Path, model: Model, tmp_path: Path) -> None:
    from PIL import Image

    images = tmp_path / "images"
    images.mkdir()
    for number, shape in enumerate([(90, 60), (40, 80), (300, 200), (32, 32)]):
        Image.effect_noise(shape, 20.0 + 60 * number).save(images / f"{number}.jpg")
    script = "import runpy, sys\nsys.modules['closegap'] = None\nsys.modules['torch'] = None\nsys.argv = sys.argv[1:]\n"
    script += "runpy.run_path(sys.argv[0])"
    words = [str(exported), str(images), TEXTS[0]]
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "examples" / "onnx_search.py"), *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = model.embed(image=sorted(images.iterdir()), report=TEXTS[:1])
    cosines = {f"{n}.jpg": value for n, value in enumerate((found["image"] @ found["report"][0]).tolist())}
    said = {name: float(value) for value, name in (line.split() for line in done.stdout.splitlines())}
    assert list(said) == sorted(cosines, key=lambda name: -cosines[name])
    assert said == pytest.approx(cosines, abs=2e-4)


def two(**options: Any) -> Model:
    torch.manual_seed(0)
    towers: dict[str, Encoder] = {
        name: SmallTextEncoder(dim=16, heads=2, buckets=64, max_length=12) for name in ("a", "b")
    }
    return Model(towers, 8, LinearHead, **options).eval()


@pytest.mark.parametrize(
    ("method", "is_affine"),
    [
        (Shift, True),
        (lambda: Canonical(dim=4, ridge=0.1, power=0.0, keep=0.0), True),
        (lambda: Canonical(dim=4, ridge=0.1, power=0.0, keep=0.5), False),
        (ReAlign, False),
    ],
)
def test_every_posthoc_map_is_in_the_graph(
    method: Callable[[], Any], is_affine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils._pytree import tree_flatten

    from closegap.export import graph

    fitted = method().fit(random_set(("a", "b"), 8))
    assert [affine_posthoc(fitted, name) is not None for name in ("b",)] == [is_affine]
    model = two().with_posthoc(fitted)
    leaves, layout = tree_flatten(model.encoder("b").preparer()(TEXTS))
    with torch.no_grad():
        found = graph.ModalityGraph(model, "b", layout)(*leaves)
    torch.testing.assert_close(found, model.embed(b=TEXTS)["b"], rtol=0, atol=1e-5)


def test_a_map_that_is_not_affine_is_written(tmp_path: Path) -> None:
    kept = Canonical(dim=4, ridge=0.1, power=0.0, keep=0.5).fit(random_set(("a", "b"), 8))
    towers: dict[str, Encoder] = {name: RecordEncoder([], ["sex"], dim=8, hidden=8, buckets=64) for name in ("a", "b")}
    model = Model(towers, 8).eval().with_posthoc(kept)
    write_onnx(model, tmp_path / "out")
    records = [{"sex": "f"}, {"sex": "m"}, {}]
    found = torch.from_numpy(embedded(tmp_path / "out", model, "b", records))
    torch.testing.assert_close(found, model.embed(b=records)["b"], rtol=0, atol=1e-5)
    assert found.shape == (3, 12)


def test_what_cannot_be_exported_is_one_line(tmp_path: Path, exported: Path, model: Model) -> None:
    towers = {"a": SmallTextEncoder(dim=16, heads=2), "b": LatentSemanticEncoder(dim=4)}
    with pytest.raises(
        UsageError, match="b: LatentSemanticEncoder cannot be exported, since its TermPreparer does not"
    ):
        write_onnx(Model(towers, 8), tmp_path / "out")
    with pytest.raises(UsageError, match="exists already; export to another folder, or delete it"):
        write_onnx(model, exported)
    broken = two()
    broken.encoder("a").forward = lambda inputs: inputs.nonzero().float()  # type: ignore[method-assign]
    with pytest.raises(ClosegapError, match=r"^a: SmallTextEncoder cannot be written as ONNX"):
        write_onnx(broken, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        ((), 2, "expected one of --onnx, --sentence-transformers, --model, with a folder to write"),
        (("--onnx", "."), 2, "--onnx .: exists; name a new folder"),
        (("--onnx", "out", "--precision", "int4"), 2, "precision: 'int4' given, expected"),
        (("--onnx", "out"), 1, "nowhere: no such folder; give what"),
        (("--model", "out", "--report", "none.json"), 1, "none.json: cannot be read"),
    ],
)
def test_the_command_refuses(
    arguments: tuple[str, ...],
    code: int,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "nowhere", *arguments]) == code
    err = capsys.readouterr().err
    assert (err.count("\n"), err.startswith(f"closegap: {expected}")) == (1, True), err
    assert not list(tmp_path.iterdir())
