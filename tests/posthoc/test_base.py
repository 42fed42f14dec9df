"""What all post-hoc methods share: fitting, applying, refusing, keeping."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from closegap.embeddings.embedding_set import ROW_NUMBERED, EmbeddingSet
from closegap.errors import ClosegapWarning, DataError, UsageError
from closegap.posthoc import Center, PostHoc, ProjectOut, Shift, standard_arms
from closegap.posthoc.base.moments import covariance, mean
from closegap.sealed import read_says, save_sealed

from .conftest import MakeSet

ARMS = list(standard_arms())


@dataclass(eq=False)
class Mirror(PostHoc):
    """A method of somebody else's."""

    axis: int = 0

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {"axis": torch.tensor(self.axis)}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        flipped = rows.clone()
        flipped[:, int(state["axis"])] *= -1
        return flipped


MIRROR = f"{Mirror.__module__}.Mirror"


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_rows_stay_unit_norm_and_everything_else_is_carried_on(arm: str, dtype: torch.dtype, make_set: MakeSet) -> None:
    modalities = ("image", "caption", "concepts")
    train = make_set(modalities=modalities, absent=0.3, dtype=dtype)
    test = make_set(n=25, modalities=modalities, seed=1, prefix="test", absent=0.4, dtype=dtype)
    before = {name: rows.clone() for name, rows in test.embeddings.items()}

    result = standard_arms()[arm].fit(train).apply(test)

    for name, rows in result.embeddings.items():
        mask = test.mask(name)
        assert rows.dtype == dtype
        torch.testing.assert_close(
            rows[mask].double().norm(dim=1), torch.ones(int(mask.sum()), dtype=torch.float64), atol=2e-3, rtol=0
        )
        kept = before[name] if rows.shape == before[name].shape else torch.zeros_like(rows)
        assert torch.equal(rows[~mask], kept[~mask])
        assert torch.equal(test.embeddings[name], before[name]), "the input was changed"
    for what in ("ids", "present", "groups", "labels", "concepts"):
        assert getattr(result, what) == getattr(test, what)
    assert result.meta["split"] == "test"
    assert "in_sample" not in result.meta
    assert result.meta["posthoc"][0]["class"].startswith("closegap.posthoc.")
    assert json.loads(json.dumps(dict(result.meta))) == dict(result.meta)


@pytest.mark.parametrize("arm", ARMS)
def test_absent_rows_touch_no_estimate(arm: str, make_set: MakeSet) -> None:
    train, test = make_set(absent=0.4), make_set(n=10, seed=1, prefix="test")
    noisy = {name: torch.where(train.mask(name)[:, None], rows, 1e6) for name, rows in train.embeddings.items()}

    clean = standard_arms()[arm].fit(train).apply(test)
    dirty = standard_arms()[arm].fit(replace(train, embeddings=noisy)).apply(test)

    for name in test.modalities:
        assert torch.equal(clean.embeddings[name], dirty.embeddings[name])


@pytest.mark.parametrize("arm", ARMS)
def test_a_loaded_method_gives_the_same_bits(arm: str, make_set: MakeSet, tmp_path: Path) -> None:
    method = standard_arms()[arm].fit(make_set(dtype=torch.float32))
    test = make_set(n=20, seed=1, prefix="test", dtype=torch.float32)
    path = tmp_path / "method.safetensors"

    method.save(path)
    loaded = PostHoc.load(path)

    assert type(loaded) is type(method)
    assert loaded.settings == method.settings
    assert loaded.fitted is not None
    assert method.fitted is not None
    assert loaded.fitted.state.keys() == method.fitted.state.keys()
    for name, value in method.fitted.state.items():
        assert torch.equal(loaded.fitted.state[name], value)
    for name, rows in method.apply(test).embeddings.items():
        assert torch.equal(loaded.apply(test).embeddings[name], rows)
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm not in ("placebo", "match_moments")])  # these see the axes
def test_rotating_the_space_changes_no_cosine(arm: str, make_set: MakeSet) -> None:
    train, test = make_set(), make_set(n=10, seed=1, prefix="test")
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.manual_seed(5), dtype=torch.float64))

    def turned(embeddings: EmbeddingSet) -> EmbeddingSet:
        return replace(embeddings, embeddings={name: rows @ turn for name, rows in embeddings.embeddings.items()})

    def cosines(embeddings: EmbeddingSet) -> Tensor:
        rows = torch.cat([embeddings.embeddings[name] for name in embeddings.modalities])
        return rows @ rows.T

    expected = cosines(standard_arms()[arm].fit(train).apply(test))
    result = cosines(standard_arms()[arm].fit(turned(train)).apply(turned(test)))
    torch.testing.assert_close(result, expected)


def test_rows_that_were_fitted_on_are_refused(make_set: MakeSet) -> None:
    everything = make_set(n=20)
    method = Center().fit(everything.select(range(12)))
    leak = everything.select([15, 3, 16, 4])

    with pytest.raises(UsageError, match=r"2 of 4 rows were fitted on \(first: row 1, id 'train 3'\).*--in-sample"):
        method.apply(leak)
    assert method.apply(leak, in_sample=True).meta["in_sample"] is True
    assert "in_sample" not in method.apply(everything.select(range(12, 20)), in_sample=True).meta


def test_the_refusal_survives_saving(make_set: MakeSet, tmp_path: Path) -> None:
    train = make_set(n=20)
    Center().fit(train).save(tmp_path / "center.safetensors")

    with pytest.raises(UsageError, match="20 of 20 rows were fitted on"):
        PostHoc.load(tmp_path / "center.safetensors").apply(train)
    assert b"train 3" not in (tmp_path / "center.safetensors").read_bytes(), "an id is stored in clear"


def test_row_numbers_are_no_ids_and_contents_decide(make_set: MakeSet) -> None:
    def numbered(embeddings: EmbeddingSet) -> EmbeddingSet:
        ids = [str(row) for row in range(len(embeddings.ids))]
        return replace(embeddings, ids=ids, meta={ROW_NUMBERED: True})

    train, test = numbered(make_set(n=20)), numbered(make_set(n=20, seed=1))
    method = Center().fit(train)

    method.apply(test)  # the same numbers, other rows
    with pytest.raises(UsageError, match=r"3 of 3 rows"):
        method.apply(numbered(train.select([7, 8, 9])))  # other numbers, the same rows
    with pytest.raises(UsageError, match=r"20 of 20 rows"):
        Center().fit(make_set(n=20)).apply(train)  # ids on one side alone decide nothing either


def test_contents_count_the_present_modalities_alone(make_set: MakeSet) -> None:
    train = replace(make_set(n=20, absent=0.5), meta={ROW_NUMBERED: True})
    noisy = {name: torch.where(train.mask(name)[:, None], rows, 7.0) for name, rows in train.embeddings.items()}

    with pytest.raises(UsageError, match="20 of 20 rows"):
        Center().fit(train).apply(replace(train, embeddings=noisy))


def test_methods_can_follow_each_other(make_set: MakeSet) -> None:
    train, test = make_set(), make_set(n=10, seed=1, prefix="test")
    first = Shift(0.5).fit(train)
    second = ProjectOut().fit(first.apply(train, in_sample=True))

    chain = second.apply(first.apply(test)).meta["posthoc"]

    assert [step["class"].rsplit(".", 1)[1] for step in chain] == ["Shift", "ProjectOut"]
    assert chain[0]["settings"] == {"fraction": 0.5, "anchor": None}


def test_some_of_the_fitted_modalities_are_enough(make_set: MakeSet) -> None:
    test = make_set(n=10, seed=1, prefix="test")
    method = Center().fit(make_set())

    alone = method.apply(replace(test, embeddings={"caption": test.embeddings["caption"]}))

    assert torch.equal(alone.embeddings["caption"], method.apply(test).embeddings["caption"])


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_rows_are_transformed_without_a_set(arm: str, dtype: torch.dtype, make_set: MakeSet) -> None:
    method = standard_arms()[arm].fit(make_set())
    test = make_set(n=20, seed=1, prefix="test", dtype=dtype)
    rows = test.embeddings["caption"]
    found = method.transform(rows, "caption")
    assert found.dtype == dtype
    torch.testing.assert_close(found, method.apply(test).embeddings["caption"], rtol=0, atol=0)
    leaf = rows.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(method.transform(leaf, "caption").sum(), leaf)
    assert gradient.isfinite().all()


def test_rows_that_cannot_be_transformed(make_set: MakeSet) -> None:
    rows = make_set(n=4).embeddings["image"]
    with pytest.raises(UsageError, match="Center is not fitted"):
        Center().transform(rows, "image")
    method = Center().fit(make_set())
    with pytest.raises(DataError, match="modality 'record', but Center was fitted on image, caption"):
        method.transform(rows, "record")
    with pytest.raises(DataError, match=r"image has shape \(8,\), but Center was fitted on 8"):
        method.transform(rows[0], "image")
    with pytest.raises(DataError, match=r"image is torch\.int64; expected unit-norm rows of a floating dtype"):
        method.transform(rows.long(), "image")
    assert method.transform(rows[:0], "image").shape == (0, 8)


def test_a_row_on_the_origin_keeps_its_direction_and_warns(make_set: MakeSet) -> None:
    one = make_set(n=1)
    image = replace(one, embeddings={"image": one.embeddings["image"]})
    with pytest.warns(ClosegapWarning, match="1 of 1 rows of image land on the origin under Center and stay"):
        result = Center().fit(one).apply(image, in_sample=True)
    assert torch.equal(result.embeddings["image"], image.embeddings["image"])


def test_what_cannot_be_fitted(make_set: MakeSet) -> None:
    train = make_set(n=4)
    image = train.embeddings["image"].clone()
    with pytest.raises(DataError, match=r"1 modality \['image'\]; a gap needs at least two"):
        Center().fit(replace(train, embeddings={"image": image}))
    with pytest.raises(DataError, match="no row has caption"):
        Center().fit(replace(train, present={"caption": torch.zeros(4, dtype=torch.bool)}))
    image[2, 3] = torch.nan
    with pytest.raises(DataError, match=r"image of row 2 \(id 'train 2'\) is not finite"):
        Center().fit(replace(train, embeddings={**train.embeddings, "image": image}))


def test_what_a_method_cannot_be_applied_to(make_set: MakeSet) -> None:
    test = make_set(n=4, seed=1, prefix="test")
    with pytest.raises(UsageError, match="Center is not fitted"):
        Center().apply(test)
    with pytest.raises(UsageError, match="Center is not fitted"):
        Center().save(Path("nowhere.safetensors"))
    method = Center().fit(make_set())
    with pytest.raises(DataError, match="modality 'record', but Center was fitted on image, caption"):
        method.apply(make_set(n=4, modalities=("image", "record"), prefix="test"))
    with pytest.raises(DataError, match="image has 16 dimensions, but Center was fitted on 8"):
        method.apply(make_set(n=4, width=16, prefix="test"))


def test_only_trusted_classes_are_loaded(make_set: MakeSet, tmp_path: Path) -> None:
    path = tmp_path / "mirror.safetensors"
    Mirror(axis=2).fit(make_set()).save(path)

    with pytest.raises(UsageError, match=rf"holds {MIRROR}, which is not trusted; .* --method {MIRROR}"):
        PostHoc.load(path)
    assert Mirror.load(path).axis == 2
    trusted: PostHoc = PostHoc.load(str(path), trusted=[MIRROR])
    assert trusted.settings == {"axis": 2}
    with pytest.raises(UsageError, match=rf"holds {MIRROR}, which is not trusted"):
        Center.load(path)
    Shift().fit(make_set()).save(path)
    with pytest.raises(UsageError, match=r"holds closegap\.posthoc\.shift\.Shift, expected .*\.Center"):
        Center.load(path)


@pytest.mark.parametrize(
    "name",
    [
        "evil.Evil",
        "closegap.posthoc.evil.Evil",
        "closegap.posthoc.base.names.is_own",
        "closegap.posthoc.evil.shift.Shift",
        "evil.closegap.posthoc.shift.Shift",
        "Evil",
        "",
    ],
)
def test_a_file_may_name_a_module_without_its_being_imported(
    name: str, make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "evil.safetensors"
    Shift().fit(make_set()).save(path)
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(tmp_path)
    _rewrite(path, **{"class": name})

    with pytest.raises(UsageError, match=f"holds {re.escape(name)}, which is not trusted"):
        PostHoc.load(path)


def test_our_modules_hold_more_than_methods(make_set: MakeSet, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    Shift().fit(make_set()).save(path)
    _rewrite(path, **{"class": "closegap.posthoc.shift.Sweep"})
    with pytest.raises(UsageError, match=r"holds closegap\.posthoc\.shift\.Sweep, expected .*PostHoc"):
        PostHoc.load(path)
    _rewrite(path, **{"class": "closegap.posthoc.shift.PostHoc"})
    with pytest.raises(DataError, match="cannot be used"):
        PostHoc.load(path)


def test_damaged_files_say_so(make_set: MakeSet, tmp_path: Path) -> None:
    path = tmp_path / "shift.safetensors"
    with pytest.raises(DataError, match=r"shift\.safetensors: no such file"):
        PostHoc.load(path)
    method = Shift().fit(make_set())
    method.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"shift\.safetensors: damaged"):
        PostHoc.load(path)
    save_file({"weights": torch.ones(2)}, path)
    with pytest.raises(DataError, match="not a post-hoc method of this version"):
        PostHoc.load(path)
    path.write_bytes(whole)
    _rewrite(path, settings={"no such": 1})
    with pytest.raises(DataError, match="cannot be used"):
        PostHoc.load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["shift.safetensors"], "something half-written is left"


_STATES: list[tuple[Callable[[dict[str, Tensor]], object], str]] = [
    (lambda state: state.update({"state/image": torch.zeros(3, 3, 3)}), "cannot be used"),
    (lambda state: state.pop("state/image"), "cannot be used"),
    (lambda state: state["state/image"].fill_(torch.nan), "state is not finite"),
    (lambda state: state.update({"state/image": torch.zeros(5)}), "cannot be used"),
    (lambda state: state.pop("seen/ids"), "cannot be used"),
    (lambda state: state.update({"seen/contents": torch.zeros(2, 2)}), "expected torch.int64 of one dimension"),
]


@pytest.mark.parametrize(("change", "message"), _STATES)
def test_another_state_is_one_line(
    change: Callable[[dict[str, Tensor]], object], message: str, make_set: MakeSet, tmp_path: Path
) -> None:
    path = tmp_path / "center.safetensors"
    Center().fit(make_set()).save(path)
    state = {name: value.clone() for name, value in load_file(path).items()}
    change(state)
    save_sealed(path, state, "closegap_posthoc", read_says(path, "closegap_posthoc", ""))
    with pytest.raises(DataError, match=message) as caught:
        PostHoc.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": {"image": 8}},
        {"widths": 5},
        {"widths": ["image", 5]},
        {"widths": {"image": 8, "caption": 0}},
        {"widths": {"image": 8, "caption": "x"}},
        {"widths": {"image": 8, "caption": 7}},
        {"row_numbered": None},
        {"settings": 5},
        {"class": 5},
        {"class": None},
    ],
)
def test_another_header_is_one_line(changes: Mapping[str, object], make_set: MakeSet, tmp_path: Path) -> None:
    path = tmp_path / "center.safetensors"
    Center().fit(make_set()).save(path)
    _rewrite(path, **changes)
    with pytest.raises((DataError, UsageError)) as caught:
        PostHoc.load(path)
    assert "\n" not in str(caught.value)


def test_no_flipped_bit_is_loaded(make_set: MakeSet, tmp_path: Path) -> None:
    path = tmp_path / "shift.safetensors"
    Shift().fit(make_set()).save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(DataError):
            PostHoc.load(path)


def _rewrite(path: Path, **changes: object) -> None:
    save_sealed(path, load_file(path), "closegap_posthoc", read_says(path, "closegap_posthoc", "") | changes)


@given(n=st.integers(1, 30), width=st.integers(1, 6), seed=st.integers(0, 1000))
def test_moments_equal_their_definitions(n: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, width, generator=generator)
    have = torch.rand(n, generator=generator) < 0.7
    have[0] = True
    embeddings = EmbeddingSet({"image": rows}, [str(row) for row in range(n)], {"image": have})

    center = mean(embeddings, "image")

    kept = [row.double() for row, there in zip(rows, have, strict=True) if there]
    naive = torch.stack(kept).sum(0) / len(kept)
    torch.testing.assert_close(center, naive)
    outer = sum(torch.outer(row - naive, row - naive) for row in kept) / len(kept)
    torch.testing.assert_close(covariance(embeddings, "image", center), outer)


def test_blocks_change_nothing(make_set: MakeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = make_set(n=30, absent=0.3), make_set(n=30, seed=1, prefix="test", absent=0.3)
    whole = {arm: method.fit(train).apply(test) for arm, method in standard_arms().items()}
    monkeypatch.setattr("closegap.posthoc.base.moments._BLOCK", 7)
    monkeypatch.setattr("closegap.posthoc.base.method._BLOCK", 7)
    for arm, method in standard_arms().items():
        result = method.fit(train).apply(test)
        for name, rows in whole[arm].embeddings.items():
            torch.testing.assert_close(result.embeddings[name], rows)
