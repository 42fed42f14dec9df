import pytest
import torch

from closegap.errors import UsageError
from closegap.kinds import CodesKind, ImageKind, TextKind
from closegap.models import CodeSetEncoder, Model, SmallTextEncoder
from closegap.models.data_names import named_after_data

TEXTS = ["no effusion", "a mass"]


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    text = SmallTextEncoder(dim=8, layers=1, heads=2, max_length=7, buckets=16)
    return Model({"text": text, "codes": CodeSetEncoder(dim=6, buckets=16)}, dim=4).eval()


def test_modalities_are_called_as_the_data_call_them(model: Model) -> None:
    found = named_after_data(model, {"image": ImageKind(), "concepts": CodesKind(), "caption": TextKind()})
    assert found.modalities == ("caption", "concepts")
    assert torch.equal(found.embed(caption=TEXTS)["caption"], model.embed(text=TEXTS)["text"])
    assert found.temperature is model.temperature


def test_the_same_names_are_the_same_model(model: Model) -> None:
    kinds = {"codes": CodesKind(), "text": TextKind(), "findings": TextKind()}
    assert named_after_data(model, kinds) is model


def test_two_of_a_kind_are_chosen_from(model: Model) -> None:
    kinds = {"codes": CodesKind(), "caption": TextKind(), "findings": TextKind()}
    with pytest.raises(UsageError, match="caption and findings are texts, and the model has one tower for them, text"):
        named_after_data(model, kinds)
    assert named_after_data(model, kinds, ["findings", "codes"]).modalities == ("findings", "codes")


@pytest.mark.parametrize(
    ("kinds", "chosen", "line"),
    [
        ({"caption": TextKind()}, ["report"], "--names: the data have no modality 'report'; they have caption"),
        ({"caption": TextKind(), "image": ImageKind()}, [], r"embeds text \(text\), codes \(code set\), the data have"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    model: Model, kinds: dict[str, TextKind | ImageKind], chosen: list[str], line: str
) -> None:
    with pytest.raises(UsageError, match=line):
        named_after_data(model, kinds, chosen)


def test_two_towers_for_one_modality_are_refused() -> None:
    towers = {name: SmallTextEncoder(dim=8, layers=1, heads=2, max_length=7, buckets=16) for name in ("a", "b")}
    with pytest.raises(
        UsageError, match="towers a and b both take report; call the data's modalities as the model does"
    ):
        named_after_data(Model(dict(towers), dim=4), {"report": TextKind()})
