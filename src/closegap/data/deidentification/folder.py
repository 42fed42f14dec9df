"""A folder of DICOM files, written anew without the people in them."""

import csv
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias

from closegap.data.case import within
from closegap.data.deidentification.profile import Profile
from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.data.readers.dicom_folder import dicom_files
from closegap.disk import writing
from closegap.errors import ClosegapError, DataError, UsageError, needs
from closegap.files import digest, remove, whole_file, write_text
from closegap.kinds.dicom.reading import read_dicom
from closegap.progress import Progress

with needs("deidentify"):
    from pydicom import FileDataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

BurnedIn: TypeAlias = Literal["refuse", "black", "ignore"]

LOG = "log.csv"
_MARK = ".unfinished"
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Done:
    """What was done to a file; a row of the log, without any value.

    Args:
        number: its place among the files, by their paths, from 1.
        outcome: "written" or "refused".
        file: what it is called now; "" of one that was refused.
        removed: how many attributes went.
        replaced: how many were emptied, or replaced by a dummy.
        mapped: how many hold other UIDs.
        shifted: how many hold other dates.
        boxes: how many places with text were blacked out.
    """

    number: int
    outcome: str
    file: str = ""
    removed: int = 0
    replaced: int = 0
    mapped: int = 0
    shifted: int = 0
    boxes: int = 0


def deidentify_folder(
    root: Path, out: Path, key: Path, burned_in: BurnedIn = "refuse", progress: Progress | None = None
) -> tuple[list[Done], list[str]]:
    """What was done to each file of a folder, and why some were refused, a line each.

    Files of `out` are named by keyed digests. A call that was stopped goes on where it was; `log.csv` in `out` has a
    row for each file.

    Args:
        root: the folder, of which DICOM files are read as `DicomFolder` finds them.
        out: must not exist, but for what was stopped, and not lie in `root`.
        key: the file of the key under which UIDs, patients and shifts of dates are made.
        burned_in: what is done about text in pixels.
        progress: called with (files done, files).

    Raises:
        UsageError: a key or a folder that cannot be used.
        DataError: no DICOM file.
    """
    pseudonyms = Pseudonyms.read(key)
    if out.resolve() == root.resolve() or root.resolve() in out.resolve().parents:
        raise UsageError(f"{out}: lies in {root}, which stays as it is; name a folder beside it")
    files = dicom_files(root)
    done = _begun(root, out, files, pseudonyms, burned_in)
    reasons = list[str]()
    log = out / LOG
    with writing(log), log.open("a", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        for number, file in enumerate(files, 1):
            if number not in done:
                try:
                    done[number] = _written(number, file, root, out, pseudonyms, burned_in)
                except DataError as error:
                    done[number] = Done(number, "refused")
                    reasons.append(f"{file.relative_to(root).as_posix()}: {_reason(root, file, error)}")
                rows.writerow(astuple(done[number]))
                stream.flush()
            if progress is not None:
                progress(number, len(files))
    remove(out / _MARK)
    return [done[number] for number in sorted(done)], reasons


def _reason(root: Path, file: Path, error: DataError) -> str:
    return within(root, str(error)).removeprefix(f"{file.relative_to(root)}: ")


def _begun(root: Path, out: Path, files: list[Path], pseudonyms: Pseudonyms, burned_in: str) -> dict[int, Done]:
    """What an earlier call has done; the folder is there then."""
    state = (f"{file.relative_to(root)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    task = pseudonyms.of("query", burned_in, digest(*(line.encode(errors="surrogateescape") for line in state)))
    mark = out / _MARK
    if out.exists():
        if not mark.is_file():
            raise UsageError(f"{out}: exists; name a new folder")
        if mark.read_text(encoding="utf-8") != task:
            raise UsageError(f"{out}: begun with other files, another key or option; name a new folder")
        return {row.number: row for row in _rows(out / LOG)}
    write_text(mark, task)
    write_text(out / LOG, ",".join(field.name for field in fields(Done)) + "\r\n")
    return {}


def _rows(log: Path) -> Iterator[Done]:
    """The rows of a log that are whole and were not refused, which is tried again; they are what it holds then."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    kept = [line for line in lines if line.count(",") == len(fields(Done)) - 1 and ",refused," not in line]
    kept = [line for line in kept[1:] if line.rpartition(",")[2].isdecimal()]
    write_text(log, "\r\n".join([",".join(field.name for field in fields(Done)), *kept]) + "\r\n")
    for line in kept:
        number, outcome, file, *counts = line.split(",")
        yield Done(int(number), outcome, file, *map(int, counts))


def _written(number: int, file: Path, root: Path, out: Path, pseudonyms: Pseudonyms, burned_in: BurnedIn) -> Done:
    dataset, profile = read_dicom(file), Profile(pseudonyms)
    boxes = _pixels_seen(dataset, burned_in)
    patient = profile.patient(dataset)
    counts = profile.clean(dataset)
    if boxes:
        dataset.BurnedInAnnotation = "NO"
    name = f"{patient}/{pseudonyms.of('file', file.relative_to(root).as_posix())}.dcm"
    _renew_meta(dataset, profile)
    try:
        with whole_file(out / name) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
    except (ClosegapError, OSError):
        raise
    except Exception as error:  # what was damaged cannot always be written
        raise DataError(f"cannot be written without damage ({type(error).__name__})") from None
    return Done(
        number,
        "written",
        name,
        removed=counts["removed"],
        replaced=counts["replaced"],
        mapped=counts["mapped"],
        shifted=counts["shifted"],
        boxes=boxes or 0,
    )


def _pixels_seen(dataset: FileDataset, burned_in: BurnedIn) -> int | None:
    """How many places with text were blacked out; None where nobody looked.

    Raises:
        DataError: text that stays, or pixels that cannot be looked at.
    """
    if burned_in == "ignore" or not any(name in dataset for name in _PIXELS):
        return None
    from closegap.data.deidentification.burned_in import blacken, text_boxes

    said = str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES"
    if said and burned_in == "refuse":
        raise DataError("says that text is burned in; --burned-in black looks for it")
    boxes = text_boxes(dataset)
    found = sum(map(len, boxes))
    if found and burned_in == "refuse":
        raise DataError(f"text in its pixels, at {found} places; --burned-in black blacks it out")
    if said and not found:
        raise DataError("says that text is burned in, but none is found; look at it")
    if found:
        blacken(dataset, boxes)
    return found


def _renew_meta(dataset: FileDataset, profile: Profile) -> None:
    """File meta information of what is there, and nothing of what was; an empty preamble."""
    given = getattr(dataset, "file_meta", None) or FileMetaDataset()
    meta = FileMetaDataset()
    implicit = ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian
    meta.TransferSyntaxUID = UID(str(given.get("TransferSyntaxUID") or implicit))
    meta.MediaStorageSOPClassUID = UID(str(dataset.get("SOPClassUID") or "1.2.840.10008.5.1.4.1.1.7"))
    instance = dataset.get("SOPInstanceUID") or profile.uid(str(given.get("MediaStorageSOPInstanceUID") or "none"))
    meta.MediaStorageSOPInstanceUID = UID(str(instance))
    if not meta.TransferSyntaxUID.startswith("1.2.840.10008."):
        raise DataError("a transfer syntax of its own, which may hide anything")
    dataset.file_meta, dataset.preamble = meta, bytes(128)
