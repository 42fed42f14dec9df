"""The gap card of any model that mteb runs: what its embeddings of a retrieval task look like, in one report.

    gap_card(mteb.get_model("openai/clip-vit-base-patch32"), mteb.get_task("Flickr30kT2IRetrieval"), "report")

mteb scores a model by its ranks alone. This keeps the embeddings behind them, pairs each query with its most
relevant document, and audits the pairs: gap, its floor, cosines of pairs and of strangers, one index of both.
"""

from pathlib import Path
from typing import Any

import mteb
import torch
from torch import Tensor

import closegap
from closegap.evaluation.report import Report


class Keeping:
    """A model of mteb that remembers what it embedded, by who asked: queries or documents."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.kept: dict[str, list[Tensor]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, inputs: Any, *, prompt_type: Any = None, **options: Any) -> Any:
        rows = self._encoder.encode(inputs, prompt_type=prompt_type, **options)
        self.kept.setdefault(str(prompt_type.value), []).append(torch.as_tensor(rows).float())
        return rows

    def similarity(self, one: Any, other: Any) -> Any:
        return self._encoder.similarity(one, other)

    def similarity_pairwise(self, one: Any, other: Any) -> Any:
        return self._encoder.similarity_pairwise(one, other)

    @property
    def mteb_model_meta(self) -> Any:
        return self._encoder.mteb_model_meta


def gap_card(encoder: Any, task: Any, out: Path | str | None = None) -> tuple[Report, Any]:
    """The audit of a retrieval task's true pairs, and mteb's own result.

    Args:
        encoder: any of mteb's, or `closegap.evaluation.mteb_encoder.MtebEncoder`.
        task: a retrieval task of one subset and one split.
        out: a folder for report.json and report.html.
    """
    keeping = Keeping(encoder)
    result = mteb.evaluate(keeping, task, cache=None)
    task.load_data()
    (subset,) = task.dataset.values()
    (split,) = subset.values()
    places = {name: place for place, name in enumerate(split["corpus"]["id"])}
    pairs = [
        (query, places[max(relevant, key=relevant.get)])
        for query, name in enumerate(split["queries"]["id"])
        if (relevant := split["relevant_docs"].get(name))
    ]
    queries, documents = (torch.cat(keeping.kept[kind]) for kind in ("query", "document"))
    of_queries, of_documents = (torch.tensor(side) for side in zip(*pairs, strict=True))
    rows = {"query": queries[of_queries], "document": documents[of_documents]}
    return closegap.audit(rows, ids=[str(place) for place in of_documents.tolist()], out=out), result
