"""Stages in files, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from closegap.embeddings import EmbeddingSet
from closegap.errors import ClosegapError
from closegap.families import class_path
from closegap.fitted_file import FittedFile, Kept
from closegap.scores import STAGES, ScoreStage, Standardise, ZScore
from closegap.testing import check_scores
from closegap.testing.full_set import full_set


@dataclass(eq=False)
class Turned(ScoreStage):
    """Turns the order round, which no stage may."""

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        return {"gain": torch.tensor(-1.0)}

    def adjust(self, scores: Tensor, query_modality: str, target_modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return torch.where(scores.isfinite(), state["gain"].to(scores.dtype) * scores, scores)


@dataclass(eq=False)
class Greedy(Turned):
    """Adds what other queries have."""

    needed: int

    def adjust(self, scores: Tensor, query_modality: str, target_modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return scores + scores[scores.isfinite()].sum()


FILE = FittedFile("closegap_scores", 1, "a score stage", "closegap scores fit")


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    stage = Standardise(0.7).fit(full_set())
    stage.save(tmp_path / "s.safetensors")
    loaded = ScoreStage.load(tmp_path / "s.safetensors")
    assert isinstance(loaded, Standardise)
    assert loaded.settings == {"strength": 0.7}
    assert loaded.fitted is not None
    assert loaded.fitted.items == {"image": 21, "text": 31, "record": 21}
    stage.save(tmp_path / "again.safetensors")
    assert (tmp_path / "s.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_what_a_file_names_is_trusted_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    ZScore().fit(full_set()).save(path)
    with pytest.raises(ClosegapError, match=r"holds closegap\.scores\.zscore\.ZScore, expected .*Standardise"):
        Standardise.load(path)
    FILE.write(path, replace(FILE.read(path), class_path="os.path.Evil"))
    with pytest.raises(ClosegapError, match=r"holds os\.path\.Evil, which is not trusted; .*--method os\.path\.Evil"):
        ScoreStage.load(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"says": {"items": {"image": 3}}}, "cannot be used .*expected two modalities or more"),
        ({"says": {}}, "cannot be used .*KeyError"),
        ({"settings": {"strength": 7}}, "Standardise.strength: 7 given"),
        ({"settings": {"other": 1}}, "cannot be used .*unexpected keyword"),
        ({"tensors": {}}, "cannot be used .*KeyError"),
        ({"class_path": class_path(Standardise)[:-1]}, "cannot be imported"),
    ],
)
def test_a_file_that_no_fit_wrote_is_refused(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    path = tmp_path / "s.safetensors"
    Standardise(1.0).fit(full_set()).save(path)
    kept: Kept = replace(FILE.read(path), **changed)  # type: ignore[arg-type]
    FILE.write(path, kept)
    with pytest.raises(ClosegapError, match=message) as refused:
        ScoreStage.load(path)
    assert "\n" not in str(refused.value)


def test_estimates_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    Standardise(1.0).fit(full_set()).save(path)
    kept = FILE.read(path)
    FILE.write(path, replace(kept, tensors={name: torch.full_like(v, torch.nan) for name, v in kept.tensors.items()}))
    with pytest.raises(ClosegapError, match="does not map scores of image for image to finite ones"):
        ScoreStage.load(path)


@pytest.mark.parametrize(
    ("written", "message"),
    [(None, "no such file; expected a score stage saved with"), (b"noise", "damaged")],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, written: bytes | None, message: str) -> None:
    path = tmp_path / "s.safetensors"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(ClosegapError, match=message):
        ScoreStage.load(path)
    full_set().save(tmp_path / "set.safetensors")
    with pytest.raises(ClosegapError, match="not a score stage of this version"):
        ScoreStage.load(tmp_path / "set.safetensors")


def test_what_cannot_be_fitted_is_refused() -> None:
    found = full_set()
    with pytest.raises(ClosegapError, match=r"1 modality \['image'\]; scores are merged of at least two"):
        Standardise().fit(EmbeddingSet({"image": torch.eye(3)}, ["a", "b", "c"]))
    with pytest.raises(ClosegapError, match="1 case has image"):
        Standardise().fit(found.select(torch.arange(2)))
    with pytest.raises(ClosegapError, match=r"the modalities differ in width \(image 3, text 2\)"):
        Standardise().fit(EmbeddingSet({"image": torch.eye(3), "text": torch.eye(3)[:, :2]}, ["a", "b", "c"]))
    spoilt = {name: rows.clone() for name, rows in found.embeddings.items()}
    spoilt["text"][5] = torch.nan
    with pytest.raises(ClosegapError, match=r"text of row 5 \(id 'case 3'\) holds NaN; leave the row out"):
        Standardise().fit(replace(found, embeddings=spoilt))
    with pytest.raises(ClosegapError, match="Standardise is not fitted"):
        Standardise().adjusted(torch.zeros(1, 1), "image", "text")
    with pytest.raises(ClosegapError, match="modality 'sound', but Standardise was fitted on image, text, record"):
        Standardise().fit(found).adjusted(torch.zeros(1, 1), "image", "sound")


@pytest.mark.parametrize(
    ("stage", "message"),
    [(Turned(), "Turned: the order of scores .* is turned round"), (Greedy(3), "Greedy: other queries change")],
)
def test_check_scores_says_what_does_not_hold(stage: ScoreStage, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_scores(stage)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("standardize", "standardize: no score stage; expected one of offset, rank_fusion, standardise, zscore"),
        ("nowhere.Mine", r"nowhere\.Mine: cannot be imported"),
        ("closegap.scores.ScoreStage", "is no ScoreStage that can be built"),
        (
            class_path(Greedy),
            "Greedy: its setting 'needed' has no default; give it with .* --needed",
        ),
    ],
)
def test_a_name_of_no_stage_is_refused(name: str, message: str) -> None:
    with pytest.raises(ClosegapError, match=message):
        STAGES.chosen([name])


def test_stages_by_name() -> None:
    assert list(STAGES.chosen(["zscore", class_path(Turned), "standardise", "zscore"])) == [
        "standardise",
        "Turned",
        "zscore",
    ]
    assert STAGES.summaries()["zscore"] == "A control: each query's scores standardised by its own candidates."
