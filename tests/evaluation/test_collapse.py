"""A modality that has become one point is said to be one."""

import torch
from torch.nn.functional import normalize

from closegap.api.audit import audit
from closegap.embeddings import EmbeddingSet
from closegap.evaluation.collapse import collapse_notes


def _embedded(noise: float) -> EmbeddingSet:
    """Sounds about one point, and texts that are anywhere; a sound that is absent is far from the others."""
    generator = torch.Generator().manual_seed(0)
    sound = torch.eye(8)[0] + noise * torch.randn(20, 8, generator=generator)
    sound[3] = -100
    present = torch.ones(20, dtype=torch.bool)
    present[3] = False
    text = torch.randn(20, 8, generator=generator)
    rows = {"sound": normalize(sound, dim=1), "text": normalize(text, dim=1)}
    return EmbeddingSet(rows, [f"c{row}" for row in range(20)], {"sound": present})


def test_rows_about_one_point_are_named_with_arm_and_spread() -> None:
    (note,) = collapse_notes({"open": _embedded(1.0), "closed": _embedded(0.01)})
    assert note.startswith("closed: all rows of sound (0.00")
    assert "text" not in note


def test_an_audit_says_it() -> None:
    notes = audit(_embedded(0.01), resamples=20).data["notes"]
    assert any("all rows of sound" in note for note in notes)
    assert not any("one point" in note for note in audit(_embedded(1.0), resamples=20).data["notes"])
