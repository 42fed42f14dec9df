"""Nothing that was planted is left in any byte that de-identification writes."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import DataElement, Dataset, FileDataset, Sequence, dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from tests.kinds.dicom.test_picture import RAMP, grey

from closegap.data import Case, DicomFolder
from closegap.data.deidentification.burned_in import text_boxes
from closegap.data.deidentification.folder import Done, deidentify_folder
from closegap.data.deidentification.profile import Profile
from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.errors import UsageError

WORDS = ("Zwetschgenbaum", "Ottilie", "PAT9182736", "ACC5564738", "Krankenhaus Wiesengrund", "Doktor Morgenroth")
DAYS = ("19471123", "20210304", "20210305")
UIDS = ("1.2.77.1.1", "1.2.77.1.2", "1.2.77.1.3")
PLANTED = re.compile("|".join((*WORDS, *DAYS, *UIDS)).encode(), re.IGNORECASE)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("k" * 64, encoding="utf-8")
    path.chmod(0o600)
    return path


def plant(dataset: Dataset) -> None:
    """Names, numbers, dates and UIDs, in tags of all kinds, in private ones, and in sequences at two depths."""
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = f"{WORDS[0]}^{WORDS[1]}", WORDS[2], WORDS[3]
    dataset.PatientBirthDate, dataset.StudyDate, dataset.AcquisitionDateTime = DAYS[0], DAYS[1], f"{DAYS[2]}101112.5"
    dataset.InstitutionName, dataset.ReferringPhysicianName, dataset.StudyTime = WORDS[4], WORDS[5], "101112"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = UIDS
    dataset.StudyDescription = dataset.ImageComments = dataset.PatientComments = f"of {WORDS[0]}"
    dataset.Manufacturer = f"Sold to {WORDS[1]}"
    dataset.DerivationDescription = dataset.TextValue = f"{WORDS[0]}, seen {DAYS[1]}"
    dataset.add(DataElement(0x00112233, "LO", WORDS[0]))
    block = dataset.private_block(0x0029, f"CLINIC {WORDS[1]}", create=True)
    block.add_new(1, "PN", WORDS[0])
    block.add_new(2, "OB", WORDS[2].encode())
    inner, outer = Dataset(), Dataset()
    inner.PersonName, inner.TextValue, inner.ReferencedSOPInstanceUID = WORDS[0], WORDS[5], UIDS[2]
    inner.Date, inner.CodeMeaning = DAYS[1], f"asked by {WORDS[0].upper()}"
    inner.private_block(0x0031, "X", create=True).add_new(1, "LT", WORDS[3])
    outer.ContentSequence, outer.PatientID = Sequence([inner]), WORDS[2]
    dataset.ContentSequence = dataset.PurposeOfReferenceCodeSequence = Sequence([outer])
    dataset.RequestAttributesSequence = Sequence([outer])
    dataset.PatientState = WORDS[0]


def save(dataset: FileDataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.SourceApplicationEntityTitle = WORDS[2]
    dataset.preamble = (WORDS[0] * 20).encode()[:128]
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dataset = grey(RAMP, 16, Modality="CT", WindowCenter=0, WindowWidth=2048)
    plant(dataset)
    save(dataset, tmp_path / "in" / WORDS[2] / "1.dcm")
    save(dataset, tmp_path / "in" / WORDS[2] / "2.dcm")
    return tmp_path / "in"


def written(out: Path) -> Iterator[bytes]:
    for path in sorted(out.rglob("*")):
        yield path.relative_to(out).as_posix().encode()
        if path.is_file():
            yield path.read_bytes()


def outcome(done: list[Done]) -> list[str]:
    return [one.outcome for one in done]


def test_nothing_that_was_planted_is_left(folder: Path, key: Path, tmp_path: Path) -> None:
    assert PLANTED.search((folder / WORDS[2] / "1.dcm").read_bytes())
    done, reasons = deidentify_folder(folder, tmp_path / "out", key)
    assert (outcome(done), reasons) == (["written"] * 2, [])
    assert [found for content in written(tmp_path / "out") for found in PLANTED.findall(content)] == []
    first, second = (dcmread(tmp_path / "out" / one.file) for one in done)
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.StudyInstanceUID.startswith("2.25.")
    assert first.StudyInstanceUID.is_valid
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert first.ContentSequence[0].ContentSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert first.PixelData == RAMP.tobytes()
    assert (first.PatientIdentityRemoved, first.StudyTime, first.PatientBirthDate) == ("YES", "101112", "")
    apart = np.datetime64("2021-03-04") - np.datetime64(
        f"{first.StudyDate[:4]}-{first.StudyDate[4:6]}-{first.StudyDate[6:]}"
    )
    assert 1 <= apart.astype(int) <= 365
    assert first.AcquisitionDateTime[8:] == "101112.5"
    between = np.datetime64(
        f"{first.AcquisitionDateTime[:4]}-{first.AcquisitionDateTime[4:6]}-{first.AcquisitionDateTime[6:8]}"
    )
    assert (np.datetime64("2021-03-05") - between) == apart


def test_the_log_counts_and_quotes_nothing(folder: Path, key: Path, tmp_path: Path) -> None:
    done, _ = deidentify_folder(folder, tmp_path / "out", key)
    rows = list(csv.DictReader((tmp_path / "out" / "log.csv").open(encoding="utf-8")))
    assert [row["number"] for row in rows] == ["1", "2"]
    assert [int(row["removed"]) for row in rows] == [one.removed for one in done]
    assert min(done[0].removed, done[0].mapped, done[0].shifted) >= 3


def test_what_is_written_is_read_as_studies_of_patients(folder: Path, key: Path, tmp_path: Path) -> None:
    deidentify_folder(folder, tmp_path / "out", key)
    (before,), (after,) = (list(DicomFolder(at, key).rows()) for at in (folder, tmp_path / "out"))
    assert isinstance(before, Case)
    assert isinstance(after, Case)
    assert len(before.views["image"]) == len(after.views["image"]) == 1


def test_a_patient_has_one_shift_and_two_have_two(key: Path) -> None:
    profile, found = Profile(Pseudonyms.read(key)), set()
    for number in ("1", "1", "2", "3"):
        dataset = grey(RAMP, 16, PatientID=number, StudyDate="20210304")
        profile.clean(dataset)
        found.add((dataset.PatientID, dataset.StudyDate))
    assert len(found) == 3


def burned(text: str, interpretation: str = "MONOCHROME2") -> FileDataset:
    image = Image.effect_noise((512, 384), 20).convert("L")
    ImageDraw.Draw(image).text((30, 40), text, fill=255, font=ImageFont.load_default(28))
    values = np.asarray(image)
    return grey(255 - values if interpretation == "MONOCHROME1" else values, 8, interpretation, SOPInstanceUID="1.2.3")


def test_text_in_pixels_is_refused_or_blacked_out(key: Path, tmp_path: Path) -> None:
    save(burned("Zwetschgenbaum 1947"), tmp_path / "in/a.dcm")
    save(burned("Zwetschgenbaum 1947", "MONOCHROME1"), tmp_path / "in/b.dcm")
    packed = burned("Zwetschgenbaum 1947")
    packed.compress(JPEG2000Lossless, generate_instance_uid=False)
    save(packed, tmp_path / "in/c.dcm")
    save(burned(""), tmp_path / "in/d.dcm")
    marked = burned("")
    marked.BurnedInAnnotation = "YES"
    save(marked, tmp_path / "in/e.dcm")
    done, reasons = deidentify_folder(tmp_path / "in", tmp_path / "refused", key)
    assert outcome(done) == ["refused", "refused", "refused", "written", "refused"]
    assert reasons[0] == "a.dcm: text in its pixels, at 1 places; --burned-in black blacks it out"
    assert reasons[3] == "e.dcm: says that text is burned in; --burned-in black looks for it"
    done, reasons = deidentify_folder(tmp_path / "in", tmp_path / "black", key, "black")
    assert outcome(done) == ["written"] * 4 + ["refused"]
    assert reasons == ["e.dcm: says that text is burned in, but none is found; look at it"]
    for one in done[:3]:
        dataset = dcmread(tmp_path / "black" / one.file)
        assert one.boxes >= 1
        assert text_boxes(dataset) == [[]]
        assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert dataset.BurnedInAnnotation == "NO"
    done, _ = deidentify_folder(tmp_path / "in", tmp_path / "ignored", key, "ignore")
    assert outcome(done) == ["written"] * 5


def test_a_call_that_was_stopped_goes_on(folder: Path, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop(done: int, of: int) -> None:
        if (done, of) == (1, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deidentify_folder(folder, out, key, progress=stop)
    (first,) = out.rglob("*.dcm")
    changed = first.stat().st_mtime_ns
    with pytest.raises(UsageError, match="begun with other files, another key or option"):
        deidentify_folder(folder, out, key, "ignore")
    done, _ = deidentify_folder(folder, out, key)
    assert outcome(done) == ["written"] * 2
    assert first.stat().st_mtime_ns == changed
    assert len((out / "log.csv").read_text(encoding="utf-8").splitlines()) == 3
    with pytest.raises(UsageError, match="exists; name a new folder"):
        deidentify_folder(folder, out, key)
    with pytest.raises(UsageError, match="lies in"):
        deidentify_folder(folder, folder / "out", key)


def test_nothing_that_was_planted_in_real_files_is_left(shared: Path, key: Path, tmp_path: Path) -> None:
    planted = 0
    for file in sorted((shared / "data/dicom/files").glob("*.dcm")):
        try:
            dataset = dcmread(file, force=True)
            plant(dataset)
            (tmp_path / "in").mkdir(exist_ok=True)
            dataset.save_as(tmp_path / "in" / file.name)
            planted += 1
        except Exception:  # such a file cannot be written at all
            (tmp_path / "in" / file.name).unlink(missing_ok=True)
    done, _ = deidentify_folder(tmp_path / "in", tmp_path / "out", key, "ignore")
    assert planted >= 80
    assert outcome(done).count("written") >= planted - 3
    assert [found for content in written(tmp_path / "out") for found in PLANTED.findall(content)] == []
