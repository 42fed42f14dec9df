"""BERTScore of captions with a language model that is at hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError, needs
from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.captions.base import HEADING, CaptionMetric, Judged
from closegap.metrics.captions.pairs import paired
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure, words


def bert_figure(model: Path, layer: int | None = None) -> Figure:
    """The figure of BERTScore with a layer of this model, the last by default."""
    name = f"{_name(model)}-L{_layers(model, layer)}"
    return Figure(
        f"bertscore/{name}",
        f"BERTScore ({words(name)})",
        HEADING,
        "higher",
        meaning=f"Words matched by the language model {words(name)}; unscaled, so even unrelated captions score well "
        "above 0.",
        key=True,
    )


class BertScore(CaptionMetric):
    """Words matched by a language model.

    Args:
        model: a directory that transformers can load; None where there is none.
    """

    what = "BERTScore"

    def __init__(self, model: Path | None) -> None:
        self.model = model

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `bert_score`."""
        if self.model is None:
            raise UsageError("needs a language model, and none was given")
        figure = bert_figure(self.model)
        found = bert_score_estimates(judged.generated, judged.references, judged.groups, counts, self.model)
        return {figure: found[figure.name]}


def bert_score(
    generated: Sequence[str], references: Sequence[Sequence[str]], model: Path, layer: int | None = None
) -> Float[Tensor, "n"]:
    """BERTScore F1 of each case, -1 to 1 and in practice 0.2 to 1: neither idf weights nor rescaled; higher is better.

    Each token is matched with the most similar one of the other caption by the cosine of their contextual embeddings.
    Of several references the best counts; an empty caption scores 0. Numbers of different models do not compare.

    Args:
        generated: one caption per case, as written.
        references: one or more per case, as written.
        model: a directory that transformers can load.
        layer: whose embeddings are compared; the last by default.

    Raises:
        MissingExtraError: bert-score is not installed.
        UsageError: the directory holds no model, or one with code, or captions and references that do not pair.

    Reference:
        Zhang et al., BERTScore: Evaluating Text Generation with BERT, ICLR 2020.
    """
    paired(generated, references)
    layers = _layers(model, layer)
    _expect_no_code(model)
    with needs("caption"):
        from bert_score import score
    pairs = [
        (row, caption, reference)
        for row, (caption, of_case) in enumerate(zip(generated, references, strict=True))
        for reference in of_case
        if caption.strip() and reference.strip()
    ]
    best = torch.zeros(len(generated), dtype=torch.float64)
    if pairs:
        rows, captions, others = zip(*pairs, strict=True)
        found = score(list(captions), list(others), model_type=str(model), num_layers=layers)[2]
        best.scatter_reduce_(0, torch.tensor(rows), found.double(), "amax", include_self=False)
    return best


def bert_score_estimates(
    generated: Sequence[str],
    references: Sequence[Sequence[str]],
    groups: Int[Tensor, "n"],
    counts: Int[Tensor, "b g"],
    model: Path,
    layer: int | None = None,
) -> dict[str, Sampled]:
    """Mean of `bert_score` with draws, under the name of the model and its layer."""
    name = bert_figure(model, layer).name
    return estimates(weighted_means({name: bert_score(generated, references, model, layer)}), groups, counts)


def _config(model: Path) -> dict[str, object]:
    try:
        config: dict[str, object] = json.loads((model / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{model}: expected the directory of a transformers model, with config.json in it") from error
    return config


def _expect_no_code(model: Path) -> None:
    """bert_score says nothing of trust, so that transformers would ask at the terminal whether to run the code."""
    for file in (model / "config.json", model / "tokenizer_config.json"):
        if file.is_file() and "auto_map" in json.loads(file.read_text(encoding="utf-8")):
            raise UsageError(f"{file}: names code of its own (auto_map), which is never run; give another model")


def _layers(model: Path, layer: int | None) -> int:
    layers = _config(model).get("num_hidden_layers")
    if not isinstance(layers, int):
        raise UsageError(f"{model / 'config.json'}: expected num_hidden_layers in it; give a BERT-like encoder")
    if layer is not None and not 1 <= layer <= layers:
        raise UsageError(f"layer {layer} of {model.name}, which has {layers}; choose one of 1 to {layers}")
    return layers if layer is None else layer


def _name(model: Path) -> str:
    """What the model was published as, if it says so."""
    return Path(str(_config(model).get("_name_or_path") or model.resolve().name)).name
