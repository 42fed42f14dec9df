"""The picture in a DICOM data set is what a viewer shows; what cannot be shown is refused without its tags."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import MPEG2MPML, UID, ExplicitVRLittleEndian, JPEGLSLossless, SecondaryCaptureImageStorage

from closegap.errors import DataError
from closegap.kinds.decoding import load_image
from closegap.kinds.dicom.picture import picture

NO_PICTURE = {  # of the files, with words of why
    "OT-PAL-8-face.dcm": "no file meta information",
    "UN_sequence.dcm": "no pixels",
    "empty_charset_LEI.dcm": "no pixels",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "no pixels",
    "liver_deflate.dcm": "1.2.840.10008.1.2.8.1, which is none of pictures",
    "liver_nonbyte_aligned_rle.dcm": "damaged",
    "liver_rle.dcm": "damaged",
    "nested_priv_SQ.dcm": "damaged",
    "no_meta.dcm": "no pixels",
    "reportsi_with_empty_number_tags.dcm": "no pixels",
    "rtplan.dcm": "no pixels",
    "rtplan_truncated.dcm": "no pixels",
    "test-SR.dcm": "no pixels",
    "waveform_ecg.dcm": "no pixels",
}


def grey(values: np.ndarray, bits: int, interpretation: str = "MONOCHROME2", **tags: object) -> FileDataset:
    """A data set of grey values, of one frame or, with three axes, several."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    found.SOPClassUID = SecondaryCaptureImageStorage
    found.Rows, found.Columns = values.shape[-2:]
    if values.ndim == 3:
        found.NumberOfFrames = len(values)
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, interpretation
    found.BitsAllocated, found.BitsStored, found.HighBit = values.dtype.itemsize * 8, bits, bits - 1
    found.PixelRepresentation = int(values.dtype.kind == "i")
    found.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(found, name, value)
    return found


def shown(dataset: Dataset, frame: int | None = None) -> np.ndarray:
    return np.asarray(picture(dataset, frame))


RAMP = np.arange(-1024, 1024, dtype=np.int16).reshape(32, 64)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_window_is_pydicoms(function: str, inverted: bool) -> None:
    dataset = grey(RAMP, 16, WindowCenter=40, WindowWidth=400, VOILUTFunction=function)
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -24
    moved = apply_voi_lut(RAMP * 2.0 - 24, dataset).astype(float)
    low, high = (-(2.0**15) * 2 - 24, (2.0**15 - 1) * 2 - 24)
    expected = 255 * (moved - low) / (high - low)
    if inverted:
        dataset.PhotometricInterpretation, expected = "MONOCHROME1", 255 - expected
    assert np.abs(shown(dataset).astype(float) - expected).max() <= 0.5 + 1e-3


def test_a_voi_lut_comes_before_a_window() -> None:
    values = np.arange(256, dtype=np.uint16).reshape(16, 16)
    dataset = grey(values, 12, WindowCenter=3, WindowWidth=5)
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 12], [(value * value) // 16 for value in range(256)]
    dataset.VOILUTSequence = [table]
    expected = np.rint((np.arange(256) ** 2 // 16) * 255 / 4095).reshape(16, 16)
    assert np.array_equal(shown(dataset), expected)


def test_without_a_window_levels_are_those_of_any_image() -> None:
    deep = (np.random.default_rng(0).normal(500, 90, (40, 50))).astype(np.uint16)
    assert np.array_equal(shown(grey(deep, 16)), np.asarray(load_image(Image.fromarray(deep)))[:, :, 0])
    flat = np.arange(240, dtype=np.uint8).reshape(12, 20)
    assert np.array_equal(shown(grey(flat, 8)), flat)
    assert np.array_equal(shown(grey(flat % 16, 4)), (flat % 16) * 17)
    turned = shown(grey(flat, 8, RescaleSlope=-1, RescaleIntercept=255))
    assert (np.diff(turned.ravel().astype(int)) <= 0).all()


@pytest.mark.parametrize("window", [("", 400), (40, ""), (40, 0), (40, 1), (40, -3)])
def test_a_window_that_shows_nothing_is_left_alone(window: tuple[object, object]) -> None:
    dataset = grey(RAMP, 16, WindowCenter=window[0], WindowWidth=window[1])
    assert np.array_equal(shown(dataset), shown(grey(RAMP, 16)))


def test_padding_is_black_and_no_part_of_the_range() -> None:
    values = np.random.default_rng(1).integers(1000, 2000, (30, 30)).astype(np.int16)
    values[:, :5] = -2000
    dataset = grey(values, 16, "MONOCHROME1", PixelPaddingValue=-2000)
    found, alone = shown(dataset), shown(grey(np.ascontiguousarray(values[:, 5:]), 16, "MONOCHROME1"))
    assert not found[:, :5].any()
    assert np.array_equal(found[:, 5:], alone)
    values[:, 5:7] = -1990
    dataset = grey(values, 16, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1980)
    assert not shown(dataset)[:, :7].any()


def test_of_several_frames_the_representative_or_the_middle_one_is_shown() -> None:
    values = np.arange(5, dtype=np.uint8).repeat(12).reshape(5, 3, 4) * 20
    dataset = grey(values, 8)
    assert np.unique(shown(dataset)).tolist() == [40]
    dataset.RepresentativeFrameNumber = 4
    assert np.unique(shown(dataset)).tolist() == [60]
    assert np.unique(shown(dataset, frame=0)).tolist() == [0]
    dataset.RepresentativeFrameNumber = 17
    assert np.unique(shown(dataset)).tolist() == [40]


def test_a_frame_has_a_window_of_its_own() -> None:
    dataset = grey(np.stack([RAMP, RAMP]), 16)
    groups = []
    for centre in (0, 500):
        group, window = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = centre, 100
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    for frame, centre in enumerate((0, 500)):
        plain = grey(RAMP, 16, WindowCenter=centre, WindowWidth=100)
        assert np.array_equal(shown(dataset, frame), shown(plain))


def test_real_files_are_shown_or_refused(shared: Path) -> None:
    seen = set()
    for file in sorted((shared / "data/dicom/files").glob("*.dcm")):
        try:
            dataset = dcmread(file, force=True)
        except Exception:
            continue
        if file.name in NO_PICTURE:
            with pytest.raises(DataError, match=re.escape(NO_PICTURE[file.name])):
                picture(dataset)
            seen.add(file.name)
        else:
            found = picture(dataset)
            assert (found.height, found.width) == (dataset.Rows, dataset.Columns)
            assert found.mode == ("L" if dataset.PhotometricInterpretation.startswith("MONO") else "RGB")
    assert seen == NO_PICTURE.keys()


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("693_J2KR", "693_UNCR", 0),
        ("MR_small", "MR_small_RLE", 0),
        ("MR_small", "MR_small_expb", 0),
        ("MR_small", "MR_small_implicit", 0),
        ("MR_small", "MR_small_jp2klossless", 0),
        ("RG3_J2KR", "RG3_J2KI", 6),
        ("OBXXXX1A", "OBXXXX1A_rle", 0),
        ("SC_rgb", "SC_rgb_16bit", 1),
        ("SC_rgb", "SC_rgb_rle", 0),
        ("emri_small", "emri_small_jpeg_2k_lossless", 0),
    ],
)
def test_what_was_compressed_is_the_same_picture(shared: Path, one: str, other: str, apart: float) -> None:
    folder = shared / "data/dicom/files"
    first, second = (shown(dcmread(folder / f"{name}.dcm")).astype(float) for name in (one, other))
    assert np.abs(first - second).mean() <= apart


def test_a_radiograph_is_bright_where_it_is_dense(shared: Path) -> None:
    dataset = dcmread(shared / "data/dicom/files/RG1_J2KI.dcm")
    assert dataset.PhotometricInterpretation == "MONOCHROME1"
    stored, found = pixel_array(dataset).astype(float), shown(dataset).astype(float)
    assert np.corrcoef(stored.ravel(), found.ravel())[0, 1] < -0.8


@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        (MPEG2MPML, "MPEG2 Main Profile / Main Level (1.2.840.10008.1.2.4.100), which is none of pictures"),
        (UID("1.3.6.1.4.1.99999.7"), "transfer syntax of its own, which is none of pictures"),
        (UID("Mueller^Hans"), "transfer syntax of its own, which is none of pictures"),
    ],
)
def test_an_unknown_transfer_syntax_is_named(syntax: UID, words: str) -> None:
    dataset = grey(np.zeros((4, 4), np.uint8), 8)
    dataset.PixelData = encapsulate([b"\x00\x00\x01\xb3"])
    dataset.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(DataError) as error:
        picture(dataset)
    assert words in str(error.value)


def test_what_decodes_a_transfer_syntax_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    decoder = get_decoder(JPEGLSLossless)
    monkeypatch.setattr(decoder, "_available", {})
    dataset = grey(np.zeros((4, 4), np.uint8), 8)
    dataset.PixelData = encapsulate([b"\xff\xd8"])
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    with pytest.raises(DataError, match=r"JPEG-LS Lossless .* which nothing here decodes; pip install 'closegap"):
        picture(dataset)


@pytest.mark.parametrize(
    "tags",
    [
        {"Rows": 0},
        {"Rows": 60_000, "Columns": 60_000},
        {"BitsAllocated": 13},
        {"PhotometricInterpretation": "Mueller^Hans"},
        {"PixelData": b"\x00"},
        {"NumberOfFrames": 4000},
        {"SamplesPerPixel": 9},
        {"WindowCenter": [1] * 3000, "WindowWidth": [1] * 3000, "PixelData": b""},
    ],
)
def test_hostile_tags_are_refused_without_being_quoted(tags: dict[str, object]) -> None:
    dataset = grey(np.zeros((4, 4), np.uint8), 8, PatientName="Mueller^Hans")
    for name, value in tags.items():
        setattr(dataset, name, value)
    with pytest.raises(DataError) as error:
        picture(dataset)
    assert "Mueller" not in str(error.value)
    assert len(str(error.value)) < 200
