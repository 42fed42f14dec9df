from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from closegap.errors import UsageError
from closegap.models import CodeSetEncoder, ConcatEncoder, Encoder, LatentSemanticEncoder, Model, SmallTextEncoder
from closegap.runs.checkpoint import frozen_towers, model_state

TEXTS = ["mass in the left lung", "the left lung is clear", "the left femur", ""]


def _joined() -> ConcatEncoder:
    torch.manual_seed(0)
    small = SmallTextEncoder(dim=8, layers=1, heads=2, max_length=7, buckets=16).requires_grad_(False)
    found = ConcatEncoder([small, LatentSemanticEncoder(dim=2, buckets=64)])
    found.fit(TEXTS)
    return found


def test_unit_features_stand_side_by_side() -> None:
    joined = _joined().eval()
    features = joined(joined.preparer()(TEXTS))
    towers = [encoder for encoder in joined.encoders if isinstance(encoder, Encoder)]
    parts = [encoder(encoder.preparer()(TEXTS)) for encoder in towers]
    torch.testing.assert_close(features, torch.cat([F.normalize(part, dim=1) for part in parts], dim=1))
    assert joined.dim == 10


def test_a_checkpoint_holds_what_was_fitted_and_not_what_is_frozen() -> None:
    model = Model({"text": _joined(), "codes": CodeSetEncoder(dim=2, buckets=4)}, dim=2)
    assert model.encoder("text").untrained
    assert not model.encoder("text").frozen
    assert list(frozen_towers(model)) == ["text.encoders.0"]
    kept = {name for name in model_state(model) if name.startswith("encoders.text.")}
    assert kept == {f"encoders.text.encoders.1.{name}" for name in ("frequency", "directions")}


def test_is_saved_and_loaded_with_its_towers(tmp_path: Path) -> None:
    model = Model({"text": _joined(), "codes": CodeSetEncoder(dim=2, buckets=4)}, dim=2).eval()
    model.save_pretrained(tmp_path / "model")
    found = Model.from_pretrained(tmp_path / "model")
    assert torch.equal(found.embed(text=TEXTS)["text"], model.embed(text=TEXTS)["text"])
    assert found.encoder("text").untrained


@pytest.mark.parametrize(
    ("encoders", "said"),
    [
        ([LatentSemanticEncoder()], "encoders: 1 given, expected two or more to stand side by side"),
        (
            [LatentSemanticEncoder(), CodeSetEncoder()],
            "encoders: take CodesKind and TextKind, expected one kind of item",
        ),
    ],
)
def test_says_what_it_cannot_join(encoders: list[Encoder], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ConcatEncoder(encoders)
