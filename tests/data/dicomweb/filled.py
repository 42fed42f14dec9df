"""A PACS with studies of every sort."""

from dataclasses import dataclass, field

from PIL import Image
from pydicom import FileDataset
from pydicom.uid import RTPlanStorage, generate_uid
from tests.data.dicomweb.orthanc import Orthanc
from tests.data.dicomweb.studies import Patient, radiograph, report

from closegap.data import Case
from closegap.phantom import Phantoms


@dataclass
class Filled:
    """What was stored.

    Args:
        patients: of each study, by its UID.
        texts: of each study that has reports.
        pictures: of each study that has any, in order.
        secrets: what nothing that is written may hold.
    """

    patients: dict[str, Patient] = field(default_factory=dict)
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: dict[str, list[Image.Image]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)


def phantoms(count: int) -> list[Case]:
    """Generated cases, each with a picture and a report."""
    return [row for row in Phantoms(cases=count, size=48).rows() if isinstance(row, Case)]


def fill(server: Orthanc, count: int) -> Filled:
    """Store `count` studies of two thirds as many patients, and three more.

    Most have a picture and a report, every fourth has two pictures, every fifth no report. The three have a report
    alone, neither, and names in the wrong places.
    """
    found, datasets = Filled(), list[FileDataset]()
    for number, case in enumerate(phantoms(count)):
        patient = (f"Muster{number * 2 // 3}^Erika", f"MRN-{number * 2 // 3}-QX")
        study = generate_uid(prefix=None)
        images = [_image(case)] + ([_image(case).rotate(90)] if number % 4 == 0 else [])
        datasets += [radiograph(image, patient, study, place) for place, image in enumerate(images, start=1)]
        found.patients[study], found.pictures[study] = patient, images
        if number % 5:
            text = str(case.views["report"][0])
            datasets.append(report(text, patient, study, 9))
            found.texts[study] = (" ".join(text.split()),)
    alone, neither, hostile = (generate_uid(prefix=None) for _ in range(3))
    found.patients |= {
        alone: ("Muster0^Erika", "MRN-0-QX"),
        hostile: ("\x1b]0;mine\x07<b>Rob'); DROP^Bobby", "../../x"),
    }
    datasets.append(report("Comparison is made with an older study.", found.patients[alone], alone))
    found.texts[alone] = ("Comparison is made with an older study.",)
    plan = report("", ("Muster1^Erika", "MRN-1-QX"), neither)
    plan.SOPClassUID = plan.file_meta.MediaStorageSOPClassUID = RTPlanStorage
    plan.Modality = "RTPLAN"
    strange = radiograph(Image.new("L", (40, 30), 90), found.patients[hostile], hostile)
    strange.BodyPartExamined, strange.Modality, strange.StudyDate = "MUSTER ERIKA", "ERIKA", "ERIKA"
    strange.SeriesDescription = "Muster, Erika"
    datasets += [plan, strange]
    found.pictures[hostile] = [Image.new("L", (40, 30), 90)]
    server.store(datasets)
    for dataset in datasets:
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "PatientID")
        found.secrets |= {str(dataset[name].value) for name in names}
        found.secrets |= {part for part in str(dataset.PatientName).split("^") if len(part) > 3}
    found.secrets |= {"Erika", "ERIKA", "Writer", "Wanda", "Refers", "Rita", "Nowhere", "19500101"}
    found.secrets.discard("../../x")
    return found


def _image(case: Case) -> Image.Image:
    image: Image.Image = case.views["image"][0].open().convert("L")
    return image
