"""Images of every mode become upright RGB; whatever else comes is refused in one line."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from closegap.errors import DataError
from closegap.kinds import ImageSource, windows
from closegap.kinds.decoding import decode_image, load_image, pad_to_square
from closegap.kinds.windows import _window

RAMP = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (20, 1))


def pixels(path: Path) -> np.ndarray:
    image = load_image(path)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("RGB", "png"), ("CMYK", "tif"), ("YCbCr", "jpg"), ("P", "png"), ("LA", "png"), ("RGBA", "png")],
)
def test_every_8_bit_mode_shows_the_same_ramp(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"ramp.{suffix}"
    Image.fromarray(RAMP).convert("RGB").convert(mode, palette=Image.Palette.ADAPTIVE).save(path)
    tolerance = 3 if suffix == "jpg" else 0
    np.testing.assert_allclose(pixels(path), np.repeat(RAMP[..., None], 3, axis=2), atol=tolerance)


def test_adobe_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (250, 250, 250)).convert("CMYK").save(tmp_path / "white.jpg")
    assert pixels(tmp_path / "white.jpg").min() > 240


def test_bilevel(tmp_path: Path) -> None:
    Image.fromarray(RAMP > 127).save(tmp_path / "bits.png")
    assert set(np.unique(pixels(tmp_path / "bits.png"))) == {0, 255}


@pytest.mark.parametrize("kind", ["I;16 png", "I;16B tif", "I;16 tif", "I tif", "F tif"])
def test_deep_images_are_scaled_by_their_own_range(tmp_path: Path, kind: str) -> None:
    """12 bits in a 16-bit file: without scaling, a clipped or an almost black image."""
    mode, suffix = kind.split()
    values = 800 + RAMP.astype(np.float64) * 12
    image = {
        "I;16": Image.fromarray(values.astype("<u2")),
        "I;16B": Image.fromarray(values.astype(">u2")),
        "I": Image.fromarray(values.astype(np.int32)),
        "F": Image.fromarray(values.astype(np.float32)),
    }[mode]
    path = tmp_path / f"deep.{suffix}"
    image.save(path)
    with Image.open(path) as opened:
        assert opened.mode.startswith(("I", "F"))
    # the ramp has 40 columns: the 0.5th and 99.5th percentiles are its ends
    np.testing.assert_allclose(pixels(path)[..., 0], RAMP, atol=1)


def test_a_hot_pixel_does_not_darken_a_deep_image(tmp_path: Path) -> None:
    values = (800 + np.tile(RAMP, (2, 2)).astype(np.uint16) * 4).astype("<u2")
    values[0, 0] = 65535
    Image.fromarray(values).save(tmp_path / "hot.png")
    assert pixels(tmp_path / "hot.png")[1:].mean() > 120


def test_deep_image_of_one_value_is_black(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 900, "<u2")).save(tmp_path / "flat.png")
    assert not pixels(tmp_path / "flat.png").any()


def test_floats_that_are_not_finite_count_as_the_ends(tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "holes.tif")
    assert pixels(tmp_path / "holes.tif")[0, :3, 0].tolist() == [0, 255, 0]
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nothing.tif")
    with pytest.raises(DataError, match=r"nothing\.tif: no pixel is a finite number"):
        load_image(tmp_path / "nothing.tif")


def test_deep_tiff_with_white_as_zero_is_turned_to_black_as_zero(tmp_path: Path) -> None:
    values = (RAMP.astype(np.uint16) * 200).astype("<u2")
    Image.fromarray(values).save(tmp_path / "negative.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "negative.tif") as opened:
        assert opened.tag_v2[262] == 0  # type: ignore[attr-defined]
    np.testing.assert_allclose(pixels(tmp_path / "negative.tif")[..., 0], 255 - RAMP, atol=1)


class Rendered:
    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def open(self) -> Image.Image:
        return self.image

    def fingerprint(self) -> bytes:
        return self.image.tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_black(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (200, 200, 200, 255))
    image.paste((200, 200, 200, 0), (0, 0, 4, 8))
    (image.quantize(4) if mode == "P" else image.convert(mode)).save(tmp_path / "clear.png")
    found = pixels(tmp_path / "clear.png")
    assert found[:, :4].max() == 0
    np.testing.assert_allclose(found[:, 4:], 200, atol=2)


@pytest.mark.parametrize("mode", ["RGBa", "La"])
def test_premultiplied_transparency(mode: str) -> None:
    image = Image.new("LA", (2, 1), (200, 255))
    image.putpixel((0, 0), (200, 0))
    image = image.convert("RGBA").convert(mode) if mode == "RGBa" else image.convert(mode)
    assert np.asarray(load_image(Rendered(image)))[0, :, 0].tolist() == [0, 200]


def test_transparent_colour_of_a_palette_and_of_grey(tmp_path: Path) -> None:
    Image.fromarray(np.repeat([[10, 200]], 2, axis=0).astype(np.uint8)).save(tmp_path / "grey.png", transparency=200)
    assert pixels(tmp_path / "grey.png")[0, :, 0].tolist() == [10, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    """What is stored turned is shown upright, as every viewer shows it."""
    upright = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    inverse = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if inverse is None else upright.transpose(inverse)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"turned.{suffix}", exif=exif)
    np.testing.assert_array_equal(pixels(tmp_path / f"turned.{suffix}")[..., 0], np.asarray(upright))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_mangled_exif_does_not_cost_the_image(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "mangled.jpg", exif=b"Exif\0\0MM\0\x2b garbage")
    assert load_image(tmp_path / "mangled.jpg").size == (40, 20)


def test_an_orientation_among_mangled_tags_still_counts(tmp_path: Path) -> None:
    """A fraction where the place of a block should be, which Pillow cannot write anew when it drops the orientation."""
    orientation, broken = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", b"\xa0\x05\0\x05\0\0\0\x01\0\0\0\x08"
    exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02" + orientation + broken + b"\0\0\0\0"
    Image.fromarray(RAMP).save(tmp_path / "turned.jpg", exif=exif)
    assert load_image(tmp_path / "turned.jpg").size == (20, 40)


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp"])
def test_first_frame_of_several(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), (level,) * 3) for level in (60, 200)]
    frames[0].save(tmp_path / f"film.{suffix}", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(pixels(tmp_path / f"film.{suffix}"), 60, atol=2)


def test_truncated_jpeg(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(DataError, match=r"cut\.jpg: damaged or truncated image .*truncated.*fetch it again") as caught:
        load_image(tmp_path / "cut.jpg")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"no\.jpg: not an image that Pillow can read \({len(content)} bytes\)"):
        load_image(tmp_path / "no.jpg")


def test_no_such_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: no such image"):
        load_image(tmp_path / "gone.png")
    with pytest.raises(DataError, match="cannot be read"):
        load_image(tmp_path)


def test_decompression_bomb(tmp_path: Path) -> None:
    """A file of a few kilobytes that would unfold to 400 million pixels."""
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match=r"bomb\.png: .*decompression bomb.*MAX_IMAGE_PIXELS"):
        load_image(tmp_path / "bomb.png")


def test_an_image_that_pillow_merely_warns_of(tmp_path: Path) -> None:
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    with (
        warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
        pytest.raises(DataError, match=r"large\.png: 10,000 x 9,000 pixels, expected at most 89,478,485; scale it"),
    ):
        load_image(tmp_path / "large.png")


def test_postscript_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(DataError, match=r"a\.png: not an image that Pillow can read \(61 bytes\)"):
        load_image(tmp_path / "a.png")


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("inverted", [False, True])
def test_deep_images_are_windowed_alike_in_parts(
    dtype: type[np.generic], inverted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (np.random.default_rng(0).normal(size=(31, 17)) * 9000 + 30000).astype(dtype)
    whole = windows.windowed(values, inverted)
    monkeypatch.setattr(windows, "_AT_ONCE", 40)
    assert np.array_equal(windows.windowed(values, inverted), whole)
    low, high = np.percentile(values.astype(np.float64), (0.5, 99.5))
    fraction = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    assert np.array_equal(whole, np.rint(255 * (1 - fraction if inverted else fraction)).astype(np.uint8))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000), level=st.integers(0, 255))
def test_damaged_files_raise_data_errors_only(cut: int, flip: int, level: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RAMP).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[flip % len(content)] = level
    content = content[: len(content) - cut % len(content)]
    try:
        outcome = decode_image(bytes(content), "x.png").mode
    except DataError as error:
        outcome = str(error)
    assert outcome == "RGB" or outcome.startswith("x.png: ")


def test_large_jpegs_are_decoded_small_but_never_too_small(tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((1600, 800)).save(tmp_path / "large.jpg")
    assert load_image(tmp_path / "large.jpg").size == (1600, 800)
    assert load_image(tmp_path / "large.jpg", at_least=224).size == (800, 400)
    assert load_image(tmp_path / "large.jpg", at_least=900).size == (1600, 800)
    full = np.asarray(pad_to_square(load_image(tmp_path / "large.jpg"), 64)).astype(float)
    small = np.asarray(pad_to_square(load_image(tmp_path / "large.jpg", at_least=64), 64)).astype(float)
    assert np.abs(full - small).mean() < 1.0


def test_an_image_source_is_opened() -> None:
    source = Rendered(Image.fromarray(RAMP))
    assert isinstance(source, ImageSource)
    np.testing.assert_array_equal(np.asarray(load_image(source))[..., 1], RAMP)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90), size=st.integers(1, 50))
def test_padding_keeps_the_aspect_and_centres(width: int, height: int, size: int) -> None:
    square = np.asarray(pad_to_square(Image.new("RGB", (width, height), (255, 255, 255)), size))
    assert square.shape == (size, size, 3)
    rows, columns = np.flatnonzero(square[..., 0].any(axis=1)), np.flatnonzero(square[..., 0].any(axis=0))
    assert max(len(rows), len(columns)) == size
    assert abs(len(columns) - max(1, width * size / max(width, height))) <= 0.5
    assert abs(len(rows) - max(1, height * size / max(width, height))) <= 0.5
    assert abs(rows[0] - (size - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (size - 1 - columns[-1])) <= 1


def test_padding_fill() -> None:
    square = np.asarray(pad_to_square(Image.new("RGB", (20, 10)), 10, (1, 2, 3)))
    assert square[0, 0].tolist() == [1, 2, 3]
    assert np.asarray(pad_to_square(Image.new("RGB", (20, 10)), 10, 128))[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize("mode", ["LA", "RGBA", "La", "RGBa", "PA", "P", "RGB", "L"])
def test_strips_have_the_pixels_of_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    image = Image.fromarray(draw.integers(0, 255, (50, 30, 4), dtype=np.uint8))
    image = image.convert("RGB").quantize(8) if mode in ("P", "PA") else image
    image = {"La": image.convert("LA"), "RGBa": image}.get(mode, image).convert(mode)
    if mode in ("P", "RGB", "L"):
        image.info["transparency"] = {"P": bytes([0, 90, 255]), "RGB": (3, 4, 5), "L": 7}[mode]
    whole = np.asarray(load_image(image))
    monkeypatch.setattr("closegap.kinds.windows._AT_ONCE", 30 * 7)
    assert np.array_equal(np.asarray(load_image(image)), whole)


@given(st.integers(0, 2**32), st.sampled_from(["<u2", ">u2", "<i4", "<f4"]), st.integers(1, 300))
def test_the_window_of_deep_images_is_numpys(seed: int, dtype: str, size: int) -> None:
    draw = np.random.default_rng(seed)
    values = (draw.normal(size=(1, size)) * 10.0 ** draw.integers(-3, 9)).clip(-(2**31), 2**31 - 200)
    values = values.clip(0, 65535).astype(dtype) if dtype[1] == "u" else values.astype(dtype)
    if dtype == "<f4" and size > 2:
        values[0, :2] = np.nan, np.inf
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = np.percentile(finite, (0.5, 99.5))
    assert _window(values) == ((finite.min(), finite.max()) if low == high else (low, high))


def test_what_a_header_declares_is_bounded_before_memory_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.new("I;16", (9000, 9000)).save(path)
    with pytest.raises(
        DataError, match=r"declares 9000 x 9000 pixels \(I;16\), which take 927 MiB to decode, expected at"
    ):
        load_image(path)


def test_pipes_are_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="cannot be read \\(no regular file\\)"):
        load_image(tmp_path / "pipe.png")
