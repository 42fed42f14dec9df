"""A small set that has whatever a metric may ask for."""

import torch
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet


def full_set(cases: int = 24, width: int = 8) -> EmbeddingSet:
    """Cases of three kinds, so far apart that any clustering finds them; each modality has a place of its own.

    Two cases are of one group; every other one has a second text, some lack a modality; labels and concepts are known,
    some labels are not.

    Args:
        cases: how many.
        width: of the embeddings, six at least.
    """
    generator = torch.Generator().manual_seed(0)
    rows = sorted([*range(cases), *range(0, cases, 2)])  # the case of each
    further = torch.tensor([place > 0 and rows[place - 1] == case for place, case in enumerate(rows)])
    kinds = 3 * torch.eye(3, width, dtype=torch.float64)[torch.tensor(rows) % 3]
    own = torch.randn(cases, width, generator=generator, dtype=torch.float64)[torch.tensor(rows)]
    embeddings, present = {}, {}
    for index, name in enumerate(("image", "text", "record")):
        noise = torch.randn(len(rows), width, generator=generator, dtype=torch.float64)
        place = torch.eye(width, dtype=torch.float64)[3 + index]
        embeddings[name] = normalize(kinds + 0.4 * own + 0.3 * noise + place, dim=1)
        lacking = torch.tensor([case % 7 == 3 + index for case in rows])
        present[name] = ~lacking & ((~further) if name != "text" else torch.ones_like(further))
    return EmbeddingSet(
        embeddings,
        [f"case {case}" for case in rows],
        present,
        groups=[f"patient {case // 2}" for case in rows],
        labels={
            "organ": [("lung", "heart", "bone")[case % 3] for case in rows],
            "view": [("frontal", "lateral", "both")[case % 3] if case % 5 else "" for case in rows],
        },
        concepts=[(f"C{case % 3}", f"C{3 + case % 4}") for case in rows],
    )
