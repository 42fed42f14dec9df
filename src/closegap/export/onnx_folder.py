"""A model as graphs of ONNX, one for each modality, and what programs without closegap need beside them."""

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves

from closegap.errors import ClosegapError, UsageError, needs
from closegap.export.graph import ModalityGraph
from closegap.export.precision import Precision, narrow
from closegap.files import file_digest, whole_folder
from closegap.models.card import CARD, Card, model_card
from closegap.models.described import Described, Input, Preparation
from closegap.models.model import Model

with needs("onnx"):
    import onnxruntime
    import onnxscript  # noqa: F401 - what torch.onnx writes graphs with

DESCRIPTION = "closegap-onnx.json"
_FORMAT = 1
_OUTPUT = "embeddings"  # not `embedding`, as torch.onnx calls what comes out of a table
_TOLERANCE = 1e-4
_LARGEST = 2 * 10**9  # bytes that a file of ONNX holds


def write_onnx(model: Model, folder: Path, precision: Precision = "fp32", card: Card = Card()) -> None:  # noqa: B008 - frozen
    """Write a graph for each modality, from prepared items to unit vectors, into a new folder, whole or not at all.

    Graphs hold tower, head, post-hoc map and normalisations, and take any number of items. closegap-onnx.json says what
    they take and how items are prepared; tokenizers are beside it. Before the folder gets its name each graph is run by
    onnxruntime, and must give what the model gives, to 1e-4 in float32.

    Args:
        model: any whose preparers are `Described`.
        folder: must not exist.
        precision: of the weights; "fp16" and "int8" embed a little elsewhere, to be measured on data.
        card: what README.md says.

    Raises:
        UsageError: the folder exists, or a tower cannot be exported.
        ClosegapError: a tower that torch.onnx cannot write, or whose graph gives something else.
    """
    if folder.exists():
        raise UsageError(f"{folder}: exists already; export to another folder, or delete it")
    plain = copy.deepcopy(model).cpu().float().eval()
    for name in model.modalities:
        _expect_exportable(plain, name)
    with whole_folder(folder) as temporary:
        graphs = {name: _written(plain, name, temporary, precision) for name in model.modalities}
        files = {file.relative_to(temporary).as_posix(): file_digest(file) for file in _files(temporary)}
        posthoc = None if model.posthoc is None else type(model.posthoc).__name__
        said = {
            "format": _FORMAT,
            "closegap": version("closegap"),
            "precision": precision,
            "temperature": plain.temperature(1.0).item(),
            "posthoc": posthoc,
            "modalities": {name: asdict(graph) for name, graph in graphs.items()},
            "files": files,
        }
        text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
        (temporary / DESCRIPTION).write_text(text, encoding="utf-8")
        (temporary / CARD).write_text(model_card(model, card, "onnx"), encoding="utf-8")


@dataclass(frozen=True)
class _Graph:
    """What the description says of a modality."""

    graph: str
    kind: str
    output: str
    width: int
    inputs: Sequence[Input]
    preparation: Any


def _expect_exportable(model: Model, modality: str) -> None:
    encoder = model.encoder(modality)
    preparer: Any = encoder.preparer()
    name = type(encoder).__name__
    if not isinstance(preparer, Described):
        raise UsageError(
            f"{modality}: {name} cannot be exported, since its {type(preparer).__name__} does not say how items are "
            "prepared; give another tower, or a preparer that has `examples` and `described`"
        )
    size = 4 * sum(parameter.numel() for parameter in encoder.parameters())
    if size > _LARGEST:
        raise UsageError(f"{modality}: {name} has {size / 1e9:.1f} GB of weights; a file of ONNX holds 2 GB")


def _written(model: Model, modality: str, folder: Path, precision: Precision) -> _Graph:
    """Write the graph of a modality and what its preparation takes."""
    encoder, home = model.encoder(modality), folder / quote(modality, safe="")
    preparer: Any = encoder.preparer()
    home.mkdir()
    preparation = preparer.described(home)
    if not any(home.iterdir()):
        home.rmdir()
    path = folder / f"{home.name}.onnx"
    leaves, layout = tree_flatten(preparer(preparer.examples))
    graph = ModalityGraph(model, modality, layout).eval()
    with _said_in_a_line(modality, type(encoder).__name__):
        _export(graph, leaves, preparation, path)
        narrow(path, precision)
        width = _expect_equal(model, modality, path, preparation, None if precision != "fp32" else _TOLERANCE)
    return _Graph(
        path.name,
        encoder.takes.__name__.removesuffix("Kind").lower(),
        _OUTPUT,
        width,
        preparation.inputs,
        {**preparation.steps, **({"folder": home.name} if home.is_dir() else {})},
    )


def _export(graph: ModalityGraph, leaves: Sequence[Tensor], preparation: Preparation, path: Path) -> None:
    shapes = tuple(
        {place: axis for place, axis in enumerate(one.axes) if isinstance(axis, str)} for one in preparation.inputs
    )
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # a fused kernel that ONNX has no word for
    try:
        program = torch.onnx.export(
            graph,
            tuple(leaves),
            dynamo=True,
            dynamic_shapes=(shapes,),
            input_names=[one.name for one in preparation.inputs],
            output_names=[_OUTPUT],
            verbose=False,
        )
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    assert program is not None
    program.save(str(path))


def _expect_equal(model: Model, modality: str, path: Path, preparation: Preparation, tolerance: float | None) -> int:
    """Run the graph on the preparer's examples, together and alone; the width of what it gives."""
    preparer: Any = model.encoder(modality).preparer()
    session = onnxruntime.InferenceSession(path, _quiet(), providers=["CPUExecutionProvider"])
    for items in (preparer.examples, preparer.examples[:1]):
        inputs = preparer(items)
        with torch.no_grad():
            expected = model.corrected(modality, model.encode(modality, inputs)).numpy()
        given = {one.name: leaf.numpy() for one, leaf in zip(preparation.inputs, tree_leaves(inputs), strict=True)}
        found: Float[np.ndarray, "n k"] = session.run([_OUTPUT], given)[0]
        away = float(np.abs(found - expected).max())
        if not np.isfinite(found).all() or (tolerance is not None and away > tolerance):
            raise ClosegapError(f"{modality}: its graph gives vectors that are {away:.1g} away from the model's")
    return int(found.shape[1])


@contextmanager
def _said_in_a_line(modality: str, tower: str) -> Iterator[None]:
    """Without the exporter's pages on how it goes; what it fails at is one line."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ClosegapError, OSError):
        raise
    except Exception as error:  # of the tower's code anything may be beyond an exporter
        cause = error.__cause__ or error
        reason = str(cause).strip().partition("\n")[0]
        raise ClosegapError(
            f"{modality}: {tower} cannot be written as ONNX ({type(cause).__name__}: {reason})"
        ) from error
    finally:
        logger.setLevel(level)


def _quiet() -> "onnxruntime.SessionOptions":
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return options


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())
