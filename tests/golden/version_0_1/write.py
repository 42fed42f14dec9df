"""Wrote this folder with closegap 0.1.0: what versions of the same formats must go on reading. Not to be run again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

import closegap
from closegap import EmbeddingSet, Model
from closegap.models import CodeSetEncoder, LearnableTemperature, RecordEncoder
from closegap.posthoc import Center

HERE = Path(__file__).parent
ITEMS: dict[str, Sequence[Any]] = {
    "codes": [("C1",), ("C2", "C3"), ()],
    "record": [{"age": 40.0}, {"age": None}, {"age": 71.5}],
}


def main() -> None:
    """Write a model, a post-hoc method, a set of embeddings and a report."""
    torch.manual_seed(0)
    record = RecordEncoder(numeric=["age"], dim=8, hidden=8, buckets=8)
    record.fit(ITEMS["record"])
    encoders = {"codes": CodeSetEncoder(dim=8, buckets=16), "record": record}
    model = Model(encoders, dim=4, temperature=LearnableTemperature())
    model.save_pretrained(HERE / "model")
    save_file(model.embed(codes=ITEMS["codes"], record=ITEMS["record"]), HERE / "embedded.safetensors")

    rows = torch.nn.functional.normalize(torch.randn(2, 12, 4), dim=2)
    pairs = EmbeddingSet.from_arrays(image=rows[0], text=rows[1], ids=[f"case {row}" for row in range(12)])
    pairs.save(HERE / "pairs.safetensors")
    center = Center().fit(pairs)
    center.save(HERE / "center.safetensors")
    save_file({"text": center.transform(rows[1], "text")}, HERE / "centered.safetensors")
    closegap.audit(pairs, metrics="quick", resamples=20).save(HERE / "report.json")


if __name__ == "__main__":
    main()
