"""Audits as a notebook calls them."""

from pathlib import Path

import numpy as np
import pytest
import torch

import closegap
from closegap.errors import DataError, UsageError
from closegap.metrics.location import Location
from closegap.posthoc import Center
from closegap.runs.log import unwatched

IMAGE, TEXT = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(0))


def gap(*given: object, **options: object) -> float:
    report = closegap.audit(*given, metrics="quick", resamples=5, watching=unwatched, **options)  # type: ignore[arg-type]
    return report.arm("original").metrics["gap"].value


def test_arrays_a_mapping_a_set_or_its_path_are_one_thing(tmp_path: Path) -> None:
    found = closegap.EmbeddingSet.from_arrays(image=IMAGE, text=TEXT)
    found.save(tmp_path / "set.safetensors")
    expected = gap(found)
    assert gap(IMAGE, TEXT) == gap(np.asarray(IMAGE), TEXT.double()) == expected
    assert gap({"image": IMAGE, "text": TEXT}) == gap(tmp_path / "set.safetensors") == expected
    assert gap(str(tmp_path / "set.safetensors")) == expected


def test_modalities_are_called_as_they_are_named() -> None:
    named = closegap.audit(IMAGE, TEXT, names=["x-ray", "note"], metrics="quick", resamples=5, watching=unwatched)
    assert "x-ray_to_note/R@10" in named.arms[0].metrics
    bare = closegap.audit(IMAGE, TEXT, metrics="quick", resamples=5, watching=unwatched)
    assert "a_to_b/R@10" in bare.arms[0].metrics


def test_methods_and_metrics_are_named_or_given(tmp_path: Path) -> None:
    report = closegap.audit(
        IMAGE[:20],
        TEXT[:20],
        train=(IMAGE[20:], TEXT[20:]),
        posthoc=["shift", Center()],
        metrics=[Location()],
        resamples=5,
        out=tmp_path / "audit",
        watching=unwatched,
    )
    assert [arm.name for arm in report.arms] == ["original", "original + shift", "original + Center"]
    assert not any("R@" in name for name in report.figures)
    assert (tmp_path / "audit" / "report.html").is_file()
    assert (tmp_path / "audit" / "report.json").is_file()


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ((), {}, "nothing given; expected a set of embeddings, or an array for each modality"),
        ((IMAGE,), {}, "1 array given; expected a set of embeddings"),
        ((IMAGE, TEXT), {"names": ["image"]}, "1 names for 2 arrays"),
        (({"image": IMAGE, "text": TEXT},), {"names": ["a", "b"]}, "given beside arrays that have theirs"),
        ((IMAGE, TEXT), {"posthoc": "shft"}, "shft: no post-hoc method"),
        ((IMAGE, TEXT), {"metrics": "quik"}, "quik: expected quick, tasks, all"),
        ((IMAGE, TEXT), {"posthoc": [Center(), Center()]}, "two methods are called Center"),
        ((IMAGE, TEXT), {"posthoc": "shift"}, "post-hoc methods are fitted on train embeddings and none were given"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(given: tuple[object, ...], options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        closegap.audit(*given, **options, watching=unwatched)  # type: ignore[arg-type]


def test_rows_that_are_none_are_named() -> None:
    broken = IMAGE.clone()
    broken[3, 0] = torch.nan
    with pytest.raises(DataError, match="a: row 3 holds NaN"):
        closegap.audit(broken, TEXT, watching=unwatched)
