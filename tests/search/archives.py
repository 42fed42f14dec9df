"""Small archives, built from generated embeddings."""

from pathlib import Path

import torch
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet
from closegap.search.archive.building import Plan, build
from closegap.search.archive.feed_of_set import FeedOfSet
from closegap.search.archive.fitting import Wanted
from closegap.search.archive.sources import Opened

MODALITIES = ("image", "report", "record")


def embedded(cases: int = 120, dim: int = 16, seed: int = 0) -> EmbeddingSet:
    """Three modalities that lie apart, of cases that most have two images; every fifth lacks its record."""
    draw = torch.Generator().manual_seed(seed)
    shared = torch.randn(cases, dim, generator=draw)
    rows, ids, present = {}, [], {}
    of = [case for case in range(cases) for _ in range(1 + (case % 3 > 0))]
    further = torch.tensor([place > 0 and of[place] == of[place - 1] for place in range(len(of))])
    for number, name in enumerate(MODALITIES):
        offset = 3 * torch.eye(dim)[number]
        noise = torch.randn(len(of), dim, generator=draw)
        rows[name] = normalize(shared[of] + 0.6 * (number + 1) * noise + offset, dim=1)
        present[name] = torch.ones(len(of), dtype=torch.bool) if name == "image" else ~further
    present["record"] &= torch.tensor([case % 5 > 0 for case in of])
    ids = [f"c{case:03}" for case in of]
    groups = [f"p{case // 2:03}" for case in of]
    return EmbeddingSet(rows, ids, present, groups, {"finding": [f"F{case % 4}" for case in of]})


def built(out: Path, embeddings: EmbeddingSet | None = None, wanted: Wanted | None = None) -> Path:
    """An archive of the embeddings."""
    given = embedded() if embeddings is None else embeddings
    build(Opened(FeedOfSet(given), "test", "test"), Plan(wanted or Wanted()), out)
    return out
